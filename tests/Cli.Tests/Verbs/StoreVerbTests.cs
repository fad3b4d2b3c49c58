using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Cli.Tests.Verbs;

/// <summary><c>orc gc</c>, <c>orc verify</c> and <c>orc dump</c> on stores of every condition.</summary>
public sealed class StoreVerbTests : IDisposable
{
    private const string Tenant = "local";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("gc")]
    [InlineData("verify")]
    [InlineData("dump")]
    public async Task A_store_that_is_not_there_is_not_made(string verb)
    {
        var (code, _, error) = await RunAsync(verb, "--store", _folder["none"]);

        Assert.Equal(ExitCodes.WrongInput, code);
        Assert.Contains(_folder["none"], error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["none"]));
    }

    [Fact]
    public async Task Verify_finds_nothing_in_a_sound_store_and_every_blob_that_is_damaged()
    {
        await MakeAsync(_folder["store"]);
        var (code, sound, _) = await RunAsync("verify", "--store", _folder["store"], "--json");
        Assert.Equal((ExitCodes.Success, 0), (code, Json(sound).GetProperty("findings").GetArrayLength()));
        Assert.Equal(4, Json(sound).GetProperty("units").GetInt64());

        var names = await FileBlobStore.OpenExisting(_folder["store"]).NamesAsync("");
        foreach (var name in names)
        {
            var copy = _folder["copy"];
            await MakeAsync(copy);
            await FileBlobStore.OpenExisting(copy).DamageAsync(name, Damage.FlippedMiddle);

            var (found, output, _) = await RunAsync("verify", "--store", copy, "--json");

            // A loser's output is garbage: nothing depends on it.
            var isGarbage = name.Contains("/9-9/", StringComparison.Ordinal);
            Assert.True(found == (isGarbage ? ExitCodes.Success : ExitCodes.Failed), name);
            if (!isGarbage)
                Assert.Equal(name, Json(output).GetProperty("findings")[0].GetProperty("name").GetString());
            Directory.Delete(copy, recursive: true);
        }
    }

    [Fact]
    public async Task Verify_tells_missing_and_foreign_blobs_apart()
    {
        await MakeAsync(_folder["store"]);
        var store = FileBlobStore.OpenExisting(_folder["store"]);
        await store.DeleteAsync((await store.NamesAsync("local/attempts/")).First(n => !n.Contains("/9-9/", StringComparison.Ordinal)), CancellationToken.None);
        await store.CreateAsync("local/somebodys/notes.txt", new byte[] { 1 }, CancellationToken.None);

        var (code, output, _) = await RunAsync("verify", "--store", _folder["store"], "--json");

        Assert.Equal(ExitCodes.Failed, code);
        Assert.Equal((1, 1, 0), (Json(output).GetProperty("missing").GetInt32(), Json(output).GetProperty("foreign").GetInt32(), Json(output).GetProperty("damaged").GetInt32()));
    }

    [Fact]
    public async Task Gc_deletes_what_no_commit_names_once_it_is_old_and_nothing_else()
    {
        await MakeAsync(_folder["store"]);
        var store = FileBlobStore.OpenExisting(_folder["store"]);
        var before = await store.NamesAsync("");

        var (_, young, _) = await RunAsync("gc", "--store", _folder["store"], "--json");
        Assert.Equal(0, Json(young).GetProperty("blobs").GetInt32());
        var (_, dry, _) = await RunAsync("gc", "--store", _folder["store"], "--older-than", "0s", "--dry-run", "--json");
        Assert.Equal(before, await store.NamesAsync(""));
        var (code, output, _) = await RunAsync("gc", "--store", _folder["store"], "--older-than", "0s", "--json");

        Assert.Equal(ExitCodes.Success, code);
        Assert.Equal(Json(dry).GetProperty("bytes").GetInt64(), Json(output).GetProperty("bytes").GetInt64());
        Assert.Equal([2, 1, 1], new[] { "blobs", "attempts", "inputs" }.Select(n => Json(output).GetProperty(n).GetInt32()));
        var after = await store.NamesAsync("");
        Assert.Equal(before.Where(n => !n.Contains("/9-9/", StringComparison.Ordinal) && !n.Contains("/inputs/", StringComparison.Ordinal)), after);
        Assert.Equal(ExitCodes.Success, (await RunAsync("verify", "--store", _folder["store"])).Code);
    }

    [Fact]
    public async Task Dump_shows_jobs_and_what_is_committed()
    {
        await MakeAsync(_folder["store"]);
        var plan = SampleJobs.Plan();

        var (code, output, _) = await RunAsync("dump", "--store", _folder["store"], "--json");

        Assert.Equal(ExitCodes.Success, code);
        var job = Json(output).GetProperty("jobs")[0];
        Assert.Equal((plan.ComputeJobId(), 0), (job.GetProperty("id").GetString(), job.GetProperty("committed").GetInt32()));
        Assert.True(job.GetProperty("units").GetInt32() > 10);
        Assert.Equal(ExitCodes.WrongInput, (await RunAsync("dump", "--store", _folder["store"], "--job", "zz")).Code);
    }

    [Theory]
    [InlineData("gc", ExitCodes.WrongInput)]
    [InlineData("verify", ExitCodes.Failed)]
    [InlineData("dump", ExitCodes.WrongInput)]
    public async Task A_newer_store_is_refused_clearly(string verb, int expected)
    {
        await MakeAsync(_folder["store"]);
        var store = FileBlobStore.OpenExisting(_folder["store"]);
        var name = BlobNames.Plan(Tenant, SampleJobs.Plan().ComputeJobId());
        var body = Json(Encoding.UTF8.GetString((await store.ReadAsync(name, CancellationToken.None))!.Content.Span)).GetProperty("body").GetRawText();
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("99\n" + body)));
        await store.DeleteAsync(name, CancellationToken.None);
        await store.CreateAsync(name, Encoding.UTF8.GetBytes($$"""{"body":{{body}},"schema":99,"sha256":"{{digest}}"}"""), CancellationToken.None);

        var (code, output, error) = await RunAsync(verb, "--store", _folder["store"], "--json");

        Assert.Equal(expected, code);
        Assert.Contains("newer", output + error, StringComparison.Ordinal);
        Assert.Contains(name, output + error, StringComparison.Ordinal);
    }

    /// <summary>A plan, a unit with a record of its own, a log of three, a loser's output and an input that no plan names.</summary>
    private static async Task MakeAsync(string folder)
    {
        var store = FileBlobStore.Open(folder, TimeProvider.System);
        var checkpoints = new CheckpointStore(store);
        var scope = new JobScope(Tenant, SampleJobs.Plan().ComputeJobId(), 0);
        await checkpoints.WritePlanAsync(Tenant, SampleJobs.Plan(), CancellationToken.None);
        await checkpoints.CommitAsync(scope, await RecordAsync(checkpoints, 0, new Epoch(1, 1)), CancellationToken.None);
        var log = await checkpoints.OpenStageAsync(scope, SampleJobs.Digest('5'), 3, CancellationToken.None);
        for (var i = 1; i <= 3; i++)
            await log.CommitAsync([new StageCommit(await RecordAsync(checkpoints, i, new Epoch(1, i + 1)), i, 1)], CancellationToken.None);
        await RecordAsync(checkpoints, 1, new Epoch(9, 9));
        var input = new byte[] { 1, 2, 3 };
        var digest = Convert.ToHexStringLower(SHA256.HashData(input));
        await checkpoints.Tensors.ImportAsync(Tenant, digest, input.Length, () => new MemoryStream(input), CancellationToken.None);
    }

    private static async Task<CommitRecord> RecordAsync(CheckpointStore checkpoints, int unit, Epoch epoch)
    {
        var key = CanonicalJson.Digest(unit);
        var blob = await checkpoints.Tensors.WriteAsync(BlobNames.Output(BlobNames.OutputPrefix(Tenant, key, epoch), Roles.Weights), new byte[] { (byte)unit, 7, 9 }, CancellationToken.None);
        return new CommitRecord(key, $"unit/{unit}", UnitKind.Rows, epoch, [new UnitOutput(Roles.Weights, blob)], new UnitMetrics());
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var console = new TestConsole();
        var code = await console.RunAsync(arguments);
        return (code, console.Output, console.Error);
    }
}
