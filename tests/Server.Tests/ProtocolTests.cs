using System.Text.Json;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Tests;

public sealed class ProtocolTests
{
    [Fact]
    public void An_attempt_s_end_travels_whole()
    {
        var ended = new Completion("worker", new Epoch(3, 7), Outcome.WorkloadFailed(new Failure("damaged-input", "why", Retryable: true) { Damaged = new BlobRef("a/b", "00", 1) }));

        var text = JsonSerializer.Serialize(ended, CanonicalJson.Options);

        Assert.Equal(CanonicalJson.Digest(ended), CanonicalJson.Digest(JsonSerializer.Deserialize<Completion>(text, CanonicalJson.Options)));
    }

    [Fact]
    public void Paths_of_a_job_are_below_it()
    {
        string[] paths = [Routes.Explain("7"), Routes.Watch("7"), Routes.Logs("7"), Routes.Act("7", "pause"), Routes.Outcome("7"), Routes.Model("7")];

        Assert.All(paths, path => Assert.StartsWith(Routes.Job("7") + "/", path, StringComparison.Ordinal));
    }
}
