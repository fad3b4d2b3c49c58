namespace Orchestrator.Fuzzing.Tests;

/// <summary>A short campaign of every target, and every input that was ever kept. The long one is a command (infra/docs/hostile-files.md).</summary>
public sealed class CampaignTests
{
    private const int Executions = 20_000;
    private const int Seed = 20_000;

    public static TheoryData<string> Targets => [.. Fuzzing.Targets.All.Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Mutated_files_are_read_or_refused(string name)
    {
        var index = Fuzzing.Targets.All.ToList().FindIndex(t => t.Name == name);
        var share = Fuzzing.Targets.Shares(Fuzzing.Targets.All, Executions)[index];
        var campaign = new Campaign(Fuzzing.Targets.All[index], Seed, Corpus.Of(name).Select(c => c.Content));

        OnSmallStack(() => campaign.Run(share));

        Assert.Empty(campaign.Findings.Select(f => $"{f.Finding.Kind}: {f.Finding.Detail}"));
        Assert.True(campaign.Outcomes > 20, $"only {campaign.Outcomes} ways through the code were seen");
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Every_kept_input_is_read_or_refused(string name)
    {
        var target = Fuzzing.Targets.Named(name)[0];
        var findings = new List<string>();
        OnSmallStack(() => findings.AddRange(Corpus.Of(name)
            .Select(c => (c.Name, Execution.Run(target, c.Content).Finding))
            .Where(r => r.Finding is not null)
            .Select(r => $"{r.Name}: {r.Finding!.Kind}: {r.Finding.Detail}")));

        Assert.Empty(findings);
    }

    [Fact]
    public void Seeds_get_through_to_the_end()
    {
        var ends = new Dictionary<string, string> { ["onnx"] = "written", ["npy"] = "read", ["npz"] = "read", ["recipe"] = "planned" };
        foreach (var target in Fuzzing.Targets.All)
            foreach (var (name, content) in Corpus.Of(target.Name).Where(c => c.Name.StartsWith("seed-", StringComparison.Ordinal)))
                Assert.True(target.Run(content).Contains(ends[target.Name], StringComparison.Ordinal), $"{name}: {target.Run(content)}");
    }

    [Fact]
    public void The_same_seed_gives_the_same_inputs()
    {
        var target = Fuzzing.Targets.Named("recipe")[0];
        List<byte[]> Inputs()
        {
            var inputs = new List<byte[]>();
            new Campaign(target, 7, Corpus.Of(target.Name).Select(c => c.Content)).Run(300, inputs.Add);
            return inputs;
        }

        Assert.Equal(Inputs(), Inputs());
    }

    [Fact]
    public void A_reader_with_a_fault_is_found_out()
    {
        var campaign = new Campaign(new FaultyTarget(), 1, ["sound"u8.ToArray()]);

        campaign.Run(2000);

        Assert.Contains(campaign.Findings, f => f.Finding.Kind.StartsWith(nameof(IndexOutOfRangeException), StringComparison.Ordinal));
        Assert.Contains(campaign.Findings, f => f.Finding.Kind.StartsWith("memory", StringComparison.Ordinal));
    }

    [Fact]
    public void A_failing_input_is_made_small()
    {
        byte[] input = [.. Enumerable.Repeat((byte)1, 500), 0xFF, .. Enumerable.Repeat((byte)2, 500)];

        Assert.Equal([0xFF], Minimizer.Shrink(input, candidate => candidate.Contains((byte)0xFF), 2000));
    }

    /// <summary>As much as a batch of the tool has: what recurses with its input overflows it.</summary>
    private static void OnSmallStack(Action action)
    {
        var thread = new Thread(() => action(), Worker.StackBytes);
        thread.Start();
        thread.Join();
    }

    /// <summary>Breaks on short inputs and takes too much on long ones.</summary>
    private sealed class FaultyTarget : IFuzzTarget
    {
        public string Name => "faulty";

        public byte[] Mutate(byte[] input, byte[] other, Random random) => ByteMutations.Mutate(input, other, random);

        public string Run(byte[] input)
        {
            if (input.Length > 8)
                GC.KeepAlive(new byte[Execution.MaxAllocated + 1]);
            return $"{input[3]}";
        }
    }
}
