using Orchestrator.Cli.Working;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.TestKit.Servers;

namespace Orchestrator.Cli.Tests.Working;

public sealed class WorkerVerbTests
{
    [Theory]
    [InlineData("worker", "--server")]
    [InlineData("worker --server ftp://x", "--server")]
    [InlineData("worker --server http://127.0.0.1:1 --slots 0", "--slots")]
    [InlineData("worker --server http://127.0.0.1:1 --grace -1", "--grace")]
    [InlineData("worker --server http://127.0.0.1:1 --device tpu", "--device")]
    [InlineData("worker --server http://127.0.0.1:1 --profile nonsense", "--profile")]
    [InlineData("worker --server http://127.0.0.1:1 --key-file missing.key", "missing.key")]
    public async Task A_wrong_option_is_named_and_ends_with_2(string arguments, string named)
    {
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(arguments.Split(' ')));
        Assert.Contains(named, console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_whose_store_gives_no_grants_wants_the_store_named()
    {
        await using var server = await FakeServer.StartAsync(_ => FakeAnswer.Of(new WorkerTerms(TimeSpan.FromSeconds(5), "shared")));
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync("worker", "--server", server.Address.ToString()));
        Assert.Contains("--store", console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_serves_its_own_profile_first_and_those_of_narrower_kernels_after_it()
    {
        var devices = DeviceInventory.Of("auto", null, memoryBytes: 1);

        Assert.Equal(KernelWidths.Supported.Select(KernelWidths.Name), devices.Profiles.Select(profile => NumericProfile.Parse(profile)!.Width));
        Assert.All(devices.Profiles, profile => Assert.Equal("cpu", NumericProfile.Parse(profile)!.Provider));
        Assert.Equal(("cpu", 1L), (devices.Devices[0].Class, devices.Devices[0].MemoryBytes));
        Assert.Equal(["scalar"], DeviceInventory.Of("auto", "scalar", 1).Profiles.Select(profile => NumericProfile.Parse(profile)!.Width));
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused() =>
        Assert.Equal("device-not-available", Assert.Throws<InputException>(() => DeviceInventory.Of("cuda", null, 1)).Code);

    [Fact]
    public void Available_memory_is_read_from_what_the_kernel_says()
    {
        Assert.Equal(3 * 1024, FreeMemory.Parse(["MemTotal: 9 kB", "MemAvailable:   3 kB"]));
        Assert.Null(FreeMemory.Parse(["MemTotal: 9 kB"]));
        Assert.Null(FreeMemory.Parse(["MemAvailable: much"]));
    }

    [Fact]
    public void Units_are_quiet_and_events_are_told_once()
    {
        var clock = new ManualClock();
        var lines = new List<string>();
        var tally = new WorkerTally((kind, message) => lines.Add($"{kind} {message}"), clock);
        var lease = new Lease(Unit(), new Epoch(1, 1), "local/attempts/1", TimeSpan.FromSeconds(30));
        tally.Started(lease);
        tally.Ended(lease, Outcome.Completed([new UnitOutput("x", new BlobRef("local/x", "a", 7))], new UnitMetrics()), TimeSpan.FromSeconds(2), isTold: true);
        Assert.Empty(lines);

        clock.Advance(60);
        tally.Started(lease);
        tally.Noted("server-lost", "no answer");
        tally.Noted("server-lost", "no answer");
        tally.Ended(lease, Outcome.Cancelled("The worker stops."), TimeSpan.FromSeconds(1), isTold: true);

        Assert.Equal(["working 1 units done, 0 failed, 1 under way", "server-lost no answer", "handed-back unit u: cancelled: The worker stops."], lines);
        Assert.Equal(new WorkerResult("w", 1, 0, 1, 0, 60, 3, 9, 7), tally.Result("w", bytesRead: 9));
    }

    private static WorkUnit Unit() => new()
    {
        Id = "u",
        Key = new string('d', 64),
        Kind = UnitKind.Evaluate,
        Spec = new EvaluateSpec("top1", 0, 1, 1, new(), Latency: false),
        Inputs = [],
        Profile = "p",
        Cost = 1,
    };
}
