using System.CommandLine;
using Orchestrator.Cli.Serving;
using Orchestrator.Jobs;
using Orchestrator.Server.Keys;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc serve</c>: the API of a cluster, active or standing by.</summary>
internal sealed class ServeVerb
{
    private const string DefaultListen = "http://127.0.0.1:7070";

    private readonly Option<string?> _store = new("--store") { Description = "The store that all servers of the cluster share", HelpName = "URI" };
    private readonly Option<string> _listen = new("--listen") { Description = "Where to listen; without --keys on loopback only", HelpName = "URL", DefaultValueFactory = _ => DefaultListen };
    private readonly Option<string?> _address = new("--address") { Description = "Where others reach this server; default what it listens on", HelpName = "URL" };
    private readonly Option<string?> _keys = new("--keys") { Description = "File of lines 'worker NAME KEY-SHA256' and 'tenant NAME KEY-SHA256'", HelpName = "FILE" };
    private readonly Option<string> _name = new("--name") { Description = "What people call this server; default the machine's name", HelpName = "N", DefaultValueFactory = _ => Environment.MachineName };
    private readonly Option<string?> _newKey = new("--new-key") { Description = "Print a new key and its line for the file of keys, and stop: tenant:NAME or worker:NAME", HelpName = "ROLE:NAME" };

    private ServeVerb()
    {
    }

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new ServeVerb();
        var verb = new VerbCommand("serve", "Serve a cluster: the API for jobs and workers. Start it on several machines: one is active, the others take over.",
            "orc serve --store /mnt/shared/store",
            "orc serve --new-key tenant:vision",
            "orc serve --store /mnt/shared/store --listen http://0.0.0.0:7070 --address http://10.0.0.4:7070 --keys keys.txt")
        {
            options._store, options._listen, options._address, options._keys, options._name, options._newKey,
        };
        verb.Validators.Add(result =>
        {
            if (result.GetValue(options._newKey) is null && result.GetValue(options._store) is null)
                result.AddError("Option '--store' is required.");
        });
        verb.Handle(surroundings, json, options.RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        if (parsed.GetValue(_newKey) is { } asked)
            return PrintKey(asked, context);
        var run = new ServeRun(
            new ServeOptions
            {
                Store = parsed.GetValue(_store)!,
                Listen = Url("--listen", parsed.GetValue(_listen)!),
                Address = parsed.GetValue(_address) is { } address ? Url("--address", address) : null,
                Keys = parsed.GetValue(_keys) is { } file ? context.Surroundings.Resolve(file) : null,
                Name = parsed.GetValue(_name)!,
            },
            context);
        return await run.RunAsync(cancellation);
    }

    private static int PrintKey(string asked, VerbContext context)
    {
        var role = asked.Split(':')[0] switch { "tenant" => KeyRole.Tenant, "worker" => KeyRole.Worker, _ => (KeyRole?)null };
        if (role is not { } known || asked.Split(':') is not [_, var name])
            throw new InputException("key-invalid", "--new-key", $"'{asked}' is neither tenant:NAME nor worker:NAME.", "For example --new-key tenant:vision.");
        var (key, line) = KeyRing.Create(known, name);
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
