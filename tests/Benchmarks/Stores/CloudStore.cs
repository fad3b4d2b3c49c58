using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Benchmarks.Stores;

/// <summary>
/// A store in an emulator of the cloud beside one in a folder, in one process: <c>cloud-store copy STORE [MIB]</c> writes and reads one large blob,
/// <c>cloud-store commits</c> commits units through stage logs. STORE is <c>azurite</c> or <c>folder</c>: the peak of memory is that of one of them.
/// </summary>
internal static class CloudStore
{
    private const string Tenant = "local";

    public static async Task RunAsync(string[] args)
    {
        var folder = Directory.CreateTempSubdirectory("orchestrator-bench-");
        try
        {
            await using var azurite = await AzuriteServer.StartAsync(Path.Combine(folder.FullName, "azurite"));
            var cloud = await azurite.OpenAsync("bench");
            var file = FileBlobStore.Open(Path.Combine(folder.FullName, "store"), TimeProvider.System);
            switch (args)
            {
                case ["copy", var which, .. var size]:
                    await CopyAsync(which == "azurite" ? cloud : file, which, size is [var mebibytes] ? int.Parse(mebibytes, CultureInfo.InvariantCulture) : 1_024);
                    break;
                case ["commits"]:
                    foreach (var (units, batch) in new[] { (512, 1), (8_192, 64), (32_768, 512) })
                    {
                        await CommitAsync(cloud, "azurite", units, batch);
                        await CommitAsync(file, "folder", units, batch);
                        await CommitAsync(new MemoryBlobStore(), "memory", units, batch);
                    }

                    break;
                default:
                    throw new ArgumentException("cloud-store copy azurite|folder [MIB], or cloud-store commits.", nameof(args));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task CopyAsync(IBlobStore store, string what, int mebibytes)
    {
        var piece = RandomNumberGenerator.GetBytes(1 << 20);
        var tensors = new TensorBlobs(store);
        var before = Peak();
        var clock = Stopwatch.StartNew();
        var blob = await tensors.WriteAsync("local/attempts/00/key/1-1/weights", async (stream, token) =>
        {
            for (var i = 0; i < mebibytes; i++)
            {
                BitConverter.TryWriteBytes(piece, i);
                await stream.WriteAsync(piece, token);
            }
        }, CancellationToken.None);
        Tell(what, "up", mebibytes, clock.Elapsed, before);
        clock.Restart();
        await tensors.CopyAsync(blob, Stream.Null, CancellationToken.None);
        Tell(what, "down, SHA-256 checked", mebibytes, clock.Elapsed, before);
    }

    private static void Tell(string store, string what, int mebibytes, TimeSpan elapsed, double before) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{store}: {mebibytes} MiB {what}: {elapsed.TotalSeconds:0.0} s, {mebibytes / elapsed.TotalSeconds:0} MiB/s, peak memory {Peak():0} MiB (at the start {before:0})"));

    private static double Peak()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 / 1048576.0;
    }

    private static async Task CommitAsync(IBlobStore store, string what, int units, int batch)
    {
        var stage = CanonicalJson.Digest($"stage-{batch}");
        var log = await new CheckpointStore(store).OpenStageAsync(new JobScope(Tenant, "job", 0), stage, units, CancellationToken.None);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < units; i += batch)
            await log.CommitAsync([.. Enumerable.Range(i, batch).Select(Commit)], CancellationToken.None);
        var seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {units} units, {batch} a record: {units / seconds:0} units/s, {units / batch / seconds:0.0} records/s"));
    }

    private static StageCommit Commit(int unit)
    {
        var (key, epoch) = (CanonicalJson.Digest(unit), new Epoch(1, unit + 1));
        var prefix = BlobNames.OutputPrefix(Tenant, key, epoch);
        UnitOutput[] outputs = [.. new[] { "weights", "codes" }.Select(role => new UnitOutput(role, new BlobRef(BlobNames.Output(prefix, role), key, 64)))];
        return new StageCommit(new CommitRecord(key, "unit", UnitKind.Rows, epoch, outputs, new UnitMetrics { Loss = unit, Seconds = 0.1 }), unit, 1);
    }
}
