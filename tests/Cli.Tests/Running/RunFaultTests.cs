using System.Text.Json;
using System.Xml.Linq;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Cli.Tests.Running;

/// <summary>Faults that no retry cures end <c>orc run</c> with a report, keep what is committed, and the same command resumes.</summary>
public sealed class RunFaultTests : IDisposable, IClassFixture<RunFaultTests.Sound>
{
    /// <summary>What the operating system says of a full disk; not tried again.</summary>
    private const int NoSpace = 28;

    private static readonly string[] s_results = ["provenance.json", "report.html", "report.json"];

    private readonly TestFolder _folder = SampleFolder.Create();
    private readonly Sound _sound;

    public RunFaultTests(Sound sound)
    {
        _sound = sound;
        _folder.Write("recipe.yaml", SampleFolder.Recipe());
    }

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string, int> Places => new()
    {
        // operation, part of the name, how many go well before
        { "create", "/inputs/", 1 },
        { "read", "generation.head", 0 },
        { "replace", "grains/", 0 },
        { "create", "/commits/", 0 },
        { "create", "/commits/", 30 },
        { "create", "/manifests/", 0 },
        { "create", "/ends/", 0 },
    };

    [Theory]
    [MemberData(nameof(Places))]
    public async Task A_mistake_in_the_coordinator_ends_with_a_report_and_the_same_command_resumes(string operation, string place, int before)
    {
        var left = before;
        using var console = Console((_, happens, name) =>
            happens == operation && name.Contains(place, StringComparison.Ordinal) && Interlocked.Decrement(ref left) < 0 ? StoreFault.Break : StoreFault.None);

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("run", "recipe.yaml", "--json"));

        var reason = ExpectFailedReport(console);
        Assert.Contains("InvalidOperationException: Operation", reason, StringComparison.Ordinal);
        Assert.Contains("met a mistake", reason, StringComparison.Ordinal);
        Assert.Contains("run the same command again", reason, StringComparison.Ordinal);
        Assert.Contains("error: orc run: The coordinator failed", console.Error, StringComparison.Ordinal);
        Assert.Contains("   at ", console.Error, StringComparison.Ordinal);
        await ExpectResumedAsync(console.Json.GetProperty("units").GetProperty("computed").GetInt32());
    }

    [Theory]
    [InlineData("/inputs/")]
    [InlineData("/attempts/")]
    [InlineData("/commits/")]
    public async Task A_store_that_fails_for_good_ends_with_a_report_and_the_same_command_resumes(string place)
    {
        using var console = new TestConsole(_folder.Path) { Medium = store => new FullDisk(store, (operation, name) => operation == "write" && name.Contains(place, StringComparison.Ordinal)) };

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Contains("the disk is full", ExpectFailedReport(console), StringComparison.Ordinal);
        await ExpectResumedAsync(0);
    }

    [Fact]
    public async Task What_was_known_when_the_coordinator_failed_is_in_the_report()
    {
        using var console = Console((_, happens, name) => happens == "create" && name.Contains("/manifests/", StringComparison.Ordinal) ? StoreFault.Break : StoreFault.None);

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.True(console.Json.GetProperty("units").GetProperty("computed").GetInt32() > 0);
        Assert.All(console.Json.GetProperty("layers").EnumerateArray(), layer => Assert.Contains("was solved", layer.GetProperty("reason").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Results_that_cannot_be_written_are_told_and_the_older_ones_stay_as_they_were()
    {
        using var first = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await first.RunAsync("run", "recipe.yaml"));
        var before = Directory.GetFiles(_folder["out"]).Order(StringComparer.Ordinal).Select(file => (file, File.GetLastWriteTimeUtc(file))).ToList();
        var reads = 0;
        // The first read looks whether the model is sound; the second delivers it.
        using var console = new TestConsole(_folder.Path)
        {
            Medium = store => new FullDisk(store, (operation, name) => operation == "read" && name.EndsWith("/model", StringComparison.Ordinal) && ++reads > 1),
        };

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Equal("output-not-written", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(before, Directory.GetFileSystemEntries(_folder["out"]).Order(StringComparer.Ordinal).Select(file => (file, File.GetLastWriteTimeUtc(file))));
    }

    private TestConsole Console(Func<int, string, string, StoreFault> fault) => new(_folder.Path) { Medium = store => new FaultyBlobStore(store, fault) };

    /// <returns>The reason.</returns>
    private string ExpectFailedReport(TestConsole console)
    {
        var report = JsonDocument.Parse(File.ReadAllText(_folder["out/report.json"])).RootElement;
        Assert.Equal(JsonSerializer.Serialize(console.Json), JsonSerializer.Serialize(report));
        Assert.Equal("failed", report.GetProperty("status").GetString());
        Assert.Equal(s_results, Directory.GetFileSystemEntries(_folder["out"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        XDocument.Parse(File.ReadAllText(_folder["out/report.html"])["<!DOCTYPE html>".Length..]);
        var reason = report.GetProperty("reason").GetString()!;
        Assert.Contains(reason, console.Error, StringComparison.Ordinal);
        return reason;
    }

    /// <param name="computed">Units that the failed run says it has committed.</param>
    private async Task ExpectResumedAsync(int computed)
    {
        using var again = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await again.RunAsync("run", "recipe.yaml", "--json"));
        Assert.InRange(again.Json.GetProperty("units").GetProperty("reused").GetInt32(), computed, int.MaxValue);
        Assert.Equal(_sound.ModelSha256, again.Json.GetProperty("modelSha256").GetString());
    }

    /// <summary>A run without faults.</summary>
    public sealed class Sound : IAsyncLifetime
    {
        /// <summary>Digest of the model that it delivers.</summary>
        public string ModelSha256 { get; private set; } = "";

        public async Task InitializeAsync()
        {
            using var folder = SampleFolder.Create();
            folder.Write("recipe.yaml", SampleFolder.Recipe());
            using var console = new TestConsole(folder.Path);
            Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--json"));
            ModelSha256 = console.Json.GetProperty("modelSha256").GetString()!;
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }

    /// <summary>Refuses as a full disk would.</summary>
    private sealed class FullDisk(IBlobStore inner, Func<string, string, bool> refuses) : IBlobStore
    {
        public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => Do("read", name, () => inner.ReadAsync(name, cancellationToken));

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => Do("read", name, () => inner.OpenReadAsync(name, cancellationToken));

        public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
            Do("write", name, () => inner.CreateAsync(name, content, cancellationToken));

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
            Do("write", name, () => inner.CreateAsync(name, write, cancellationToken));

        public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) =>
            Do("write", name, () => inner.ReplaceAsync(name, content, etag, cancellationToken));

        public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);

        public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

        private T Do<T>(string operation, string name, Func<T> run) => refuses(operation, name) ? throw new IOException("the disk is full", NoSpace) : run();
    }
}
