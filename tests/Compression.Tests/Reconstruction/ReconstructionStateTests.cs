using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class ReconstructionStateTests
{
    private static readonly ReconstructionState s_state = new(
        250, new Dictionary<string, float[]> { ["fc.v"] = [1, float.Epsilon, -0f], ["conv.v"] = [], ["conv.m"] = [2.5f] }, [new(100, 0.5, 0), new(200, 0.25, 0.125)], 1.5, 0.75, 50);

    [Fact]
    public void A_state_comes_back_as_it_was()
    {
        var back = ReconstructionState.Open(s_state.ToBytes());

        Assert.Equal((250, 1.5, 0.75, 50), (back.Step, back.OpenLoss, back.OpenPenalty, back.OpenSteps));
        Assert.Equal(s_state.Curve, back.Curve);
        Assert.Equal(["conv.m", "conv.v", "fc.v"], back.Tensors.Keys.Order());
        Assert.Equal(s_state.Tensors["fc.v"].Select(BitConverter.SingleToInt32Bits), back.Tensors["fc.v"].Select(BitConverter.SingleToInt32Bits));
    }

    [Fact]
    public void Equal_states_have_equal_bytes_whatever_the_order_of_their_tensors() =>
        Assert.Equal(s_state.ToBytes(), (s_state with { Tensors = s_state.Tensors.Reverse().ToDictionary() }).ToBytes());

    [Fact]
    public void A_part_of_a_state_and_more_than_one_are_refused()
    {
        var bytes = s_state.ToBytes();
        for (var length = 0; length < bytes.Length; length++)
            Assert.Throws<InvalidDataException>(() => ReconstructionState.Open(bytes.AsMemory(0, length)));
        Assert.Throws<InvalidDataException>(() => ReconstructionState.Open((byte[])[.. bytes, 0]));
    }

    [Fact]
    public void Another_format_is_named()
    {
        var bytes = s_state.ToBytes();
        bytes[0] = 9;
        Assert.Contains("format 9", Assert.Throws<InvalidDataException>(() => ReconstructionState.Open(bytes)).Message, StringComparison.Ordinal);
    }
}
