using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Worker.Tests;

/// <summary>
/// A disk that is not crash-safe: a write leaves only a part of its content under its name. Whatever blob it was, the part is found
/// when it is read, the unit runs again, and the job ends with the same bytes.
/// </summary>
public sealed class TornWriteTests
{
    private static readonly JobPlan s_plan = JobHarness.Plan(SampleJobs.Outline(SampleJobs.Layer("/conv")), new ExactObsStep(0.5), new ObqStep(4));

    /// <summary>How much of a write is left: nothing, one byte, some of it, all but one byte.</summary>
    public static TheoryData<double> Parts => new(0, 0.001, 0.5, 0.999);

    [Theory]
    [MemberData(nameof(Parts))]
    public async Task A_power_cut_in_any_write_costs_that_write_alone(double part)
    {
        var reference = await ReferenceAsync();
        foreach (var torn in reference.Writes)
        {
            var disk = new MemoryBlobStore();
            var cut = new FaultyBlobStore(disk, (n, _, _) => n < torn ? StoreFault.None : n == torn ? StoreFault.Tear : StoreFault.Fail, length => Left(part, length));
            try
            {
                await new JobHarness(cut, slots: 1).RunAsync(s_plan, new EchoRunner());
            }
            catch (IOException)
            {
                // The cut came before there was a job, or hit the worker.
            }

            await ExpectSoundAsync(reference.Result, disk, reference.Names[torn]);
        }
    }

    [Theory]
    [MemberData(nameof(Parts))]
    public async Task A_write_of_which_a_part_is_lost_unnoticed_is_found_and_made_again(double part)
    {
        var reference = await ReferenceAsync();
        foreach (var torn in reference.Writes)
        {
            var disk = new MemoryBlobStore();
            var lying = new FaultyBlobStore(disk, (n, _, _) => n == torn ? StoreFault.TearUnnoticed : StoreFault.None, length => Left(part, length));
            var first = await new JobHarness(lying, slots: 1).RunAsync(s_plan, new EchoRunner());

            // What the job starts from cannot be made again while it runs; the next start puts it into the store anew.
            if (reference.Names[torn].Contains("/inputs/", StringComparison.Ordinal) && first.Status == JobStatus.Failed)
                Assert.Contains("Start the job again", first.Reason, StringComparison.Ordinal);
            else
                ExpectSame(reference.Result, first, reference.Names[torn]);
            await ExpectSoundAsync(reference.Result, disk, reference.Names[torn]);
        }
    }

    private static int Left(double part, int length) => part switch
    {
        0 => 0,
        < 0.5 => Math.Min(1, length),
        0.5 => length / 2,
        _ => Math.Max(0, length - 1),
    };

    private static async Task<(JobResult Result, IReadOnlyList<string> Names, IReadOnlyList<int> Writes)> ReferenceAsync()
    {
        var names = new List<string>();
        var writes = new List<int>();
        var listening = new FaultyBlobStore(new MemoryBlobStore(), (n, what, name) =>
        {
            lock (names)
            {
                names.Add($"{what} {name}");
                if (what is "create" or "replace")
                    writes.Add(n);
            }

            return StoreFault.None;
        });
        var result = await new JobHarness(listening, slots: 1).RunAsync(s_plan, new EchoRunner());
        return (result, names, writes);
    }

    private static async Task ExpectSoundAsync(JobResult reference, MemoryBlobStore disk, string write)
    {
        ExpectSame(reference, await new JobHarness(disk, slots: 1).RunAsync(s_plan, new EchoRunner()), write);
        var runner = new EchoRunner();
        ExpectSame(reference, await new JobHarness(disk, slots: 1).RunAsync(s_plan, runner), write);
        Assert.Empty(runner.Ran);
    }

    private static void ExpectSame(JobResult reference, JobResult result, string write) =>
        Assert.Equal((write, JobStatus.Succeeded, null, reference.Model!.Sha256, reference.Fold), (write, result.Status, result.Reason, result.Model?.Sha256, result.Fold));
}
