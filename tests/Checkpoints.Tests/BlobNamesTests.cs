using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Tests;

public sealed class BlobNamesTests
{
    [Theory]
    [InlineData("weights")]
    [InlineData("gram/12")]
    public void An_output_s_name_tells_its_unit_and_attempt(string role)
    {
        var (key, epoch) = (new string('a', 64), new Epoch(1_700_000_000, 42));

        Assert.Equal((key, epoch), BlobNames.ProducerOf(BlobNames.Output(BlobNames.OutputPrefix("local", key, epoch), role)));
    }

    [Fact]
    public void Other_names_tell_none()
    {
        var scope = new JobScope("local", "job", 0);
        string[] names = [BlobNames.Input("local", "ab"), BlobNames.Commit(scope, new string('a', 64)), BlobNames.End(scope, 1), "local/attempts/aa/aa/1/weights", ""];

        Assert.All(names, name => Assert.Null(BlobNames.ProducerOf(name)));
    }
}
