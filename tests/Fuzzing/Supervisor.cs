using System.Diagnostics;

namespace Orchestrator.Fuzzing;

/// <summary>Starts batches, names the input where one dies, and goes on.</summary>
internal sealed class Supervisor(string crashes, TextWriter output)
{
    private const int BatchSize = 50_000;
    private const int DeathTries = 60;
    private const int MaxDeaths = 50;
    private const string HeapLimit = "0x60000000";

    /// <returns>Whether nothing was found.</returns>
    public bool Run(IFuzzTarget target, int executions, int seed)
    {
        var (started, deaths, findings, outcomes, done) = (TimeProvider.System.GetTimestamp(), 0, 0, 0, 0);
        for (var batch = 0; done < executions && deaths < MaxDeaths; batch++)
        {
            var count = Math.Min(BatchSize, executions - done);
            var current = Path.Combine(Path.GetTempPath(), $"fuzzing-{Guid.NewGuid():N}");
            try
            {
                var (code, text) = Start("--batch", target.Name, "--seed", $"{unchecked(seed + (7919 * batch))}", "--executions", $"{count}", "--crashes", crashes, "--current", current);
                if (code is 0 or 1 && text.Split(' ') is [var ran, var seen, var found])
                {
                    done += int.Parse(ran);
                    findings += int.Parse(found);
                    outcomes = Math.Max(outcomes, int.Parse(seen));
                    output.WriteLine($"  {target.Name}: {done} executions, {seen} outcomes, {found} findings");
                    continue;
                }
                deaths++;
                output.WriteLine($"  {target.Name}: {Death(target, Input(current), code, text)}");
            }
            finally
            {
                File.Delete(current);
            }
        }
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        output.WriteLine($"{target.Name}: {done} executions in {seconds:0} s ({done / seconds:0}/s), {outcomes} outcomes, {findings} findings, {deaths} deaths");
        return findings == 0 && deaths == 0;
    }

    private string Death(IFuzzTarget target, byte[] input, int code, string text)
    {
        var how = code == Worker.HangCode ? "hang" : text.Contains("Stack overflow", StringComparison.Ordinal) ? "stack overflow" : $"exit code {code}";
        var small = code == Worker.HangCode ? input : Minimizer.Shrink(input, i => Replay(target, i) == code, DeathTries);
        var path = CrashFiles.Write(crashes, target.Name, small, new Finding($"{how} {input.Length}", text));
        return $"{how}, see {path}";
    }

    private static int Replay(IFuzzTarget target, byte[] input)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, input);
            return Start("--replay", path, "--target", target.Name).Code;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] Input(string current)
    {
        if (!File.Exists(current))
            return [];
        var bytes = File.ReadAllBytes(current);
        return bytes.AsSpan(sizeof(int), BitConverter.ToInt32(bytes)).ToArray();
    }

    private static (int Code, string Text) Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_GCHeapHardLimit"] = HeapLimit;
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        using var child = Process.Start(start) ?? throw new InvalidOperationException("The batch did not start.");
        var errors = child.StandardError.ReadToEndAsync();
        var text = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return (child.ExitCode, (text + errors.Result).Trim());
    }
}
