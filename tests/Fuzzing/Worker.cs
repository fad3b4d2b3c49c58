using System.IO.MemoryMappedFiles;

namespace Orchestrator.Fuzzing;

/// <summary>One batch in a process of its own, so that a stack overflow, a hang or memory without end costs this process only.</summary>
internal sealed class Worker(IFuzzTarget target, string crashes, string current)
{
    /// <summary>Less than any thread of the product has: what recurses with the input is found early.</summary>
    public const int StackBytes = 256 << 10;

    /// <summary>No input of this size may take as long, on however slow a machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public const int HangCode = 77;

    private const int MinimizerTries = 2000;

    private static readonly TimeSpan s_beat = TimeSpan.FromSeconds(1);

    private long _started;

    public int Run(int seed, int executions)
    {
        var findings = 0;
        var thread = new Thread(() => findings = Batch(seed, executions), StackBytes);
        using var watchdog = new Timer(_ => Watch(), null, s_beat, s_beat);
        thread.Start();
        thread.Join();
        return findings;
    }

    /// <summary>Runs one input as a batch would.</summary>
    public (string Outcome, Finding? Finding) Replay(byte[] input)
    {
        (string, Finding?) result = ("", null);
        var thread = new Thread(() => result = Execution.Run(target, input), StackBytes);
        Volatile.Write(ref _started, TimeProvider.System.GetTimestamp());
        using var watchdog = new Timer(_ => Watch(), null, s_beat, s_beat);
        thread.Start();
        thread.Join();
        return result;
    }

    private int Batch(int seed, int executions)
    {
        var campaign = new Campaign(target, seed, Corpus.Of(target.Name).Select(c => c.Content));
        using var file = MemoryMappedFile.CreateFromFile(current, FileMode.OpenOrCreate, null, sizeof(int) + (4L * ByteMutations.MaxInput));
        using var view = file.CreateViewAccessor();
        campaign.Run(executions, input =>
        {
            var length = Math.Min(input.Length, 4 * ByteMutations.MaxInput);
            view.Write(0, length);
            view.WriteArray(sizeof(int), input, 0, length);
            Volatile.Write(ref _started, TimeProvider.System.GetTimestamp());
        });
        Volatile.Write(ref _started, 0);
        foreach (var (input, finding) in campaign.Findings)
            CrashFiles.Write(crashes, target.Name, Minimizer.Shrink(input, i => Execution.Run(target, i).Finding?.Kind == finding.Kind, MinimizerTries), finding);
        Console.WriteLine($"{executions} {campaign.Outcomes} {campaign.Findings.Count}");
        return campaign.Findings.Count;
    }

    private void Watch()
    {
        var started = Volatile.Read(ref _started);
        if (started != 0 && TimeProvider.System.GetElapsedTime(started) > Patience)
            Environment.Exit(HangCode);
    }
}
