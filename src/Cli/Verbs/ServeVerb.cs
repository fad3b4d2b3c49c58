using System.CommandLine;
using System.Net;
using Orchestrator.Cli.Serving;
using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Telemetry;
using Orchestrator.Jobs;
using Orchestrator.Server.Keys;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc serve</c>: the API of a cluster, active or standing by.</summary>
internal sealed class ServeVerb
{
    private const string DefaultListen = "http://127.0.0.1:7070";
    private const int DefaultGrant = 1800;
    private const int MostGrant = 86_400;
    private const string DefaultSilo = "127.0.0.1:11111";

    private readonly StoreOptions _store = StoreOptions.Of("The store that all servers of the cluster share");
    private readonly Option<string> _listen = new("--listen") { Description = "Where to listen; without --keys on loopback only", HelpName = "URL", DefaultValueFactory = _ => DefaultListen };
    private readonly Option<string?> _address = new("--address") { Description = "Where others reach this server; default what it listens on", HelpName = "URL" };
    private readonly Option<string?> _keys = new("--keys") { Description = "File of lines 'worker NAME KEY-SHA256' and 'tenant NAME KEY-SHA256'", HelpName = "FILE" };
    private readonly Option<string> _name = new("--name") { Description = "What people call this server; default the machine's name", HelpName = "N", DefaultValueFactory = _ => Environment.MachineName };
    private readonly Option<string?> _cluster = new("--cluster") { Description = "Share the grains among all servers as Orleans silos: on this machine, or found by a database. Default: the active server has them", HelpName = "localhost|postgres" };
    private readonly Option<string?> _databaseFile = new("--database-file") { Description = "File with the connection string of the PostgreSQL database, for --cluster postgres", HelpName = "FILE" };
    private readonly Option<string> _silo = new("--silo") { Description = "Where other servers reach the silo of this one; never a network that others than the servers reach", HelpName = "IP:PORT", DefaultValueFactory = _ => DefaultSilo };
    private readonly Option<string?> _firstSilo = new("--first-silo") { Description = "The silo of the first server, for further ones with --cluster localhost", HelpName = "IP:PORT" };
    private readonly Option<int> _grant = new("--grant") { Description = "Seconds that a worker may read or create a blob that it was granted; it asks again in time", HelpName = "SECONDS", DefaultValueFactory = _ => DefaultGrant };
    private readonly Option<string?> _newKey = new("--new-key") { Description = "Print a new key and its line for the file of keys, and stop: tenant:NAME, worker:NAME, or worker:NAME:WORKERS for one worker or all whose names begin so (gpu-*)", HelpName = "ROLE:NAME" };

    private readonly Option<LogFormat> _log = LogFormatOption.Create();

    private ServeVerb()
    {
    }

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new ServeVerb();
        var verb = new VerbCommand("serve", "Serve a cluster: the API for jobs and workers. Start it on several machines: one is active, the others take over.",
            "orc serve --store /mnt/shared/store",
            "orc serve --new-key tenant:vision",
            "orc serve --store https://example.blob.core.windows.net/jobs --keys keys.txt --listen http://0.0.0.0:7070 --address http://10.0.0.4:7070",
            "orc serve --store /mnt/shared/store --cluster postgres --database-file database.txt --silo 10.0.0.4:11111 --listen http://10.0.0.4:7070 --keys keys.txt")
        {
            options._store.Store, options._store.KeyFile, options._listen, options._address, options._keys, options._grant, options._name, options._log,
            options._cluster, options._databaseFile, options._silo, options._firstSilo, options._newKey,
        };
        verb.Validators.Add(result =>
        {
            if (result.GetValue(options._newKey) is null && result.GetValue(options._store.Store) is null)
                result.AddError("Option '--store' is required.");
        });
        verb.Handle(surroundings, json, options.RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        if (parsed.GetValue(_newKey) is { } asked)
            return PrintKey(asked, context);
        OptionChecks.Within("--grant", parsed.GetValue(_grant), 1, MostGrant);
        var run = new ServeRun(
            new ServeOptions
            {
                Store = _store.Get(parsed, context.Surroundings),
                Listen = Url("--listen", parsed.GetValue(_listen)!),
                Address = parsed.GetValue(_address) is { } address ? Url("--address", address) : null,
                Keys = parsed.GetValue(_keys) is { } file ? context.Surroundings.Resolve(file) : null,
                Name = parsed.GetValue(_name)!,
                Grant = TimeSpan.FromSeconds(parsed.GetValue(_grant)),
                Cluster = Cluster(parsed, context),
                Log = parsed.GetValue(_log),
            },
            context);
        return await run.RunAsync(cancellation);
    }

    private ClusterOptions? Cluster(ParseResult parsed, VerbContext context)
    {
        var (kind, file, first) = (parsed.GetValue(_cluster), parsed.GetValue(_databaseFile), parsed.GetValue(_firstSilo));
        if (kind is not (null or "localhost" or "postgres"))
            throw new InputException("cluster-invalid", "--cluster", $"'{kind}' is neither localhost nor postgres.", "Leave it out for one active server and others that stand by.");
        if ((kind == "postgres") != file is not null)
            throw new InputException("cluster-invalid", "--database-file", "--database-file and --cluster postgres go together.", "Give both or neither.");
        if (first is not null && kind != "localhost")
            throw new InputException("cluster-invalid", "--first-silo", "--first-silo is for --cluster localhost.", "A database tells silos of each other.");
        return kind is null ? null : new ClusterOptions(
            EndPoint("--silo", parsed.GetValue(_silo)!), first is null ? null : EndPoint("--first-silo", first), file is null ? null : context.Surroundings.Resolve(file));
    }

    private static IPEndPoint EndPoint(string option, string text) =>
        IPEndPoint.TryParse(text, out var point) && point.Port > 0
            ? point
            : throw new InputException("address-invalid", option, $"'{text}' is no IP address with a port.", $"For example {DefaultSilo}.");

    private static int PrintKey(string asked, VerbContext context)
    {
        var role = asked.Split(':')[0] switch { "tenant" => KeyRole.Tenant, "worker" => KeyRole.Worker, _ => (KeyRole?)null };
        if (role is not { } known || asked.Split(':') is not [_, var name, .. { Length: <= 1 } workers])
            throw new InputException("key-invalid", "--new-key", $"'{asked}' is none of tenant:NAME, worker:NAME and worker:NAME:WORKERS.", "For example --new-key tenant:vision.");
        var (key, line) = KeyRing.Create(known, name, workers is [var bound] ? bound : null);
        context.WriteResult(new NewKeyResult(key, line));
        if (!context.Json)
            context.Surroundings.Terminal.Output.WriteLine($"key (for --key-file, shown this once): {key}\nline (for --keys): {line}");
        return ExitCodes.Success;
    }

    private static Uri Url(string option, string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url is { PathAndQuery: "/", UserInfo: "" }
            ? url
            : throw new InputException("url-invalid", option, $"'{text}' is no address of a server.", $"For example {DefaultListen}.");
}
