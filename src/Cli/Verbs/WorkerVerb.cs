using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Telemetry;
using Orchestrator.Cli.Working;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc worker</c>: runs units of a cluster's jobs on this machine.</summary>
internal sealed class WorkerVerb
{
    private const int MostSlots = 1024;
    private const int MostGrace = 86_400;
    private const int DefaultGrace = 60;
    private const double GiB = 1L << 30;
    private const double DefaultCache = 20;
    private const double MostCache = 1 << 20;

    private static readonly string[] s_devices = ["auto", "cpu", "cuda", "webgpu"];

    private readonly ServerOptions _server = new();
    private readonly StoreOptions _store = StoreOptions.Optional("what the server grants, blob by blob");
    private readonly Option<int> _slots;
    private readonly Option<string> _device = new("--device") { Description = string.Join(", ", s_devices), HelpName = "DEVICE", DefaultValueFactory = _ => "auto" };
    private readonly Option<string?> _profile = new("--profile") { Description = "The one numeric profile to serve; default the machine's own and those of narrower kernels", HelpName = "P" };
    private readonly Option<string?> _cache = new("--cache") { Description = "Folder for input blobs, of this worker alone; default one that goes when the worker ends", HelpName = "DIR" };
    private readonly Option<double> _cacheSize = new("--cache-size") { Description = "GiB of input blobs kept there", HelpName = "GIB", DefaultValueFactory = _ => DefaultCache };
    private readonly Option<int> _grace = new("--grace") { Description = "Seconds that units under way may take after SIGTERM before they are handed back", HelpName = "SECONDS", DefaultValueFactory = _ => DefaultGrace };
    private readonly Option<string?> _name = new("--name") { Description = "Unique among the workers; default the machine's name and the process's number", HelpName = "N" };

    private readonly Option<LogFormat> _log = LogFormatOption.Create();

    private WorkerVerb(int cores) =>
        _slots = new Option<int>("--slots") { Description = "Units that run at once; default the cores", HelpName = "N", DefaultValueFactory = _ => cores };

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new WorkerVerb(surroundings.Cores);
        var verb = new VerbCommand("worker", "Run units of a cluster's jobs on this machine until told to stop. SIGTERM drains.",
            "orc worker --server http://127.0.0.1:7070 --store /mnt/shared/store",
            "orc worker --server https://a.example:7070,https://b.example:7070 --key-file worker.key --grace 300",
            "orc worker --server http://127.0.0.1:7070 --device cuda --slots 2 --json");
        options._server.AddTo(verb, patience: false);
        foreach (var option in (Option[])[options._store.Store, options._store.KeyFile, options._slots, options._device, options._profile, options._cache, options._cacheSize, options._grace, options._name, options._log])
            verb.Options.Add(option);
        verb.Handle(surroundings, json, options.RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        var surroundings = context.Surroundings;
        OptionChecks.Within("--slots", parsed.GetValue(_slots), 1, MostSlots);
        OptionChecks.Within("--grace", parsed.GetValue(_grace), 0, MostGrace);
        OptionChecks.Within("--cache-size", parsed.GetValue(_cacheSize), 0, MostCache);
        OptionChecks.OneOf("--device", parsed.GetValue(_device)!, s_devices);
        var (servers, key) = _server.Read(parsed, context);
        var options = new WorkerRunOptions
        {
            Servers = servers,
            Key = key,
            Store = _store.Find(parsed, surroundings),
            Slots = parsed.GetValue(_slots),
            Device = parsed.GetValue(_device)!,
            Profile = parsed.GetValue(_profile),
            Cache = parsed.GetValue(_cache) is { } cache ? surroundings.Resolve(cache) : null,
            CacheBytes = (long)(parsed.GetValue(_cacheSize) * GiB),
            Grace = TimeSpan.FromSeconds(parsed.GetValue(_grace)),
            Name = parsed.GetValue(_name) ?? $"{Environment.MachineName.ToLowerInvariant()}-{Environment.ProcessId}",
            Log = parsed.GetValue(_log),
        };
        return await new WorkerRun(options, context).RunAsync(cancellation);
    }
}
