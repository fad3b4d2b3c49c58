using System.CommandLine;
using System.CommandLine.Parsing;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs;
using Spectre.Console;

namespace Orchestrator.Cli.Cluster;

/// <summary>The options by which a verb finds its server.</summary>
internal sealed class ServerOptions
{
    /// <summary>Where <c>--server</c> comes from when it is not given.</summary>
    public const string ServerVariable = "ORC_SERVER";

    /// <summary>Where <c>--key-file</c> comes from when it is not given.</summary>
    public const string KeyFileVariable = "ORC_KEY_FILE";

    /// <summary>A take-over and some more.</summary>
    private const int DefaultPatience = 45;

    private const int MostPatience = 86_400;

    private readonly Option<string?> _server = new("--server") { Description = $"Address of the server, or several with commas between them: the active one is found; default ${ServerVariable}", HelpName = "URL[,URL]" };
    private readonly Option<string?> _keyFile = new("--key-file") { Description = $"File that holds the key, on one line; default ${KeyFileVariable}", HelpName = "FILE" };
    private readonly Option<int> _patience = new("--patience") { Description = "How long to go on asking where no server answers, for example in a take-over", HelpName = "SECONDS", DefaultValueFactory = _ => DefaultPatience };

    /// <param name="patience">False for a verb that goes on asking for ever.</param>
    public void AddTo(Command verb, bool patience = true)
    {
        foreach (var option in patience ? (Option[])[_server, _keyFile, _patience] : [_server, _keyFile])
            verb.Options.Add(option);
    }

    /// <exception cref="InputException">An option is wrong or missing.</exception>
    public ServerClient Open(ParseResult parsed, VerbContext context)
    {
        OptionChecks.Within("--patience", parsed.GetValue(_patience), 0, MostPatience);
        var (servers, key) = Read(parsed, context);
        return new ServerClient(new ServerConnection(servers, key, TimeSpan.FromSeconds(parsed.GetValue(_patience)), context.Surroundings.Clock) { Tell = context.TellWaiting });
    }

    /// <summary>The servers, in the order to try them in, and the key to show them.</summary>
    /// <exception cref="InputException">An option is wrong or missing.</exception>
    public (IReadOnlyList<Uri> Servers, string? Key) Read(ParseResult parsed, VerbContext context)
    {
        var surroundings = context.Surroundings;
        var servers = Addresses(parsed.GetValue(_server) ?? surroundings.Variable(ServerVariable));
        var keyFile = parsed.GetValue(_keyFile) ?? surroundings.Variable(KeyFileVariable);
        var key = keyFile is null ? null : KeyFile.Read(surroundings.Resolve(keyFile), Warn);
        if (key is not null && servers.FirstOrDefault(server => server.Scheme == Uri.UriSchemeHttp && !server.IsLoopback) is { } open)
            Warn($"the key travels unencrypted to {open}: use https");
        return (servers, key);

        void Warn(string text) => context.TellWarning(text);
    }

    private static List<Uri> Addresses(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw new InputException(OptionChecks.Code, "--server", "no server is given", $"Give its address, for example --server http://localhost:7070, or set {ServerVariable}.");
        return [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Address).Distinct()];
    }

    private static Uri Address(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps) && uri is { UserInfo: "", Query: "", Fragment: "" }
            ? uri
            : throw new InputException(OptionChecks.Code, "--server", $"'{text}' is no address of a server", "Give it as http://host:port or https://host:port, several with commas between them.");
}
