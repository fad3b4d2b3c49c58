using Orchestrator.Compression.Calibration;

namespace Orchestrator.Compression.Tests.Calibration;

public sealed class GramTests
{
    [Fact]
    public void Products_and_shards_add_up_and_are_averaged()
    {
        var first = new Gram(2, 2);
        first.Add([1, 2, 3, 4, 5, 6, 7, 8]);
        first.Add([1, 1, 1, 1, 1, 1, 1, 1]);
        var second = new Gram(2, 2);
        second.Add([10, 0, 0, 0, 0, 0, 0, 10]);
        first.Merge(second);
        Assert.Equal([12d, 3, 4, 5, 6, 7, 8, 19], first.Sums.ToArray());
        Assert.Equal([6d, 1.5, 2, 2.5, 3, 3.5, 4, 9.5], first.ToHessian(4));
    }

    [Fact]
    public void A_gram_is_read_back_as_written()
    {
        var gram = new Gram(1, 3);
        gram.Add([1.5f, -2, 3, 0.1f, 1e-30f, 1e30f, 7, 8, 9]);
        using var stream = new MemoryStream();
        gram.Write(stream);
        Assert.Equal(gram.ByteLength, stream.Length);
        Assert.Equal(gram.Sums.ToArray(), Gram.Read(stream.ToArray(), 1, 3).Sums.ToArray());
        Assert.Equal(BitConverter.GetBytes(1.5), stream.ToArray()[..8]);
    }

    [Fact]
    public void Sizes_that_differ_are_refused()
    {
        var gram = new Gram(1, 2);
        Assert.Throws<ArgumentException>(() => gram.Add([1, 2, 3]));
        Assert.Throws<ArgumentException>(() => gram.Merge(new Gram(2, 2)));
        Assert.Throws<ArgumentException>(() => gram.Merge(new Gram(1, 3)));
        Assert.Throws<ArgumentException>(() => Gram.Read(new byte[31], 1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => gram.ToHessian(0));
    }
}
