namespace Orchestrator.Cli.Serving;

/// <summary>What <c>orc serve</c> was asked for.</summary>
internal sealed record ServeOptions
{
    /// <summary>The store's folder or address.</summary>
    public required string Store { get; init; }

    public required Uri Listen { get; init; }

    /// <summary>Where others reach the server; null where that is <see cref="Listen"/>.</summary>
    public Uri? Address { get; init; }

    /// <summary>Absolute; null without keys.</summary>
    public string? Keys { get; init; }

    public required string Name { get; init; }
}

/// <summary>What <c>orc serve --json</c> prints when it ends.</summary>
/// <param name="Term">Of its last tenure, or of the server that was active last.</param>
internal sealed record ServeResult(string Name, Uri Address, long Term, double Seconds);

/// <summary>What <c>orc serve --new-key --json</c> prints.</summary>
/// <param name="Key">A secret, printed this once.</param>
/// <param name="Line">For the server's file of keys.</param>
internal sealed record NewKeyResult(string Key, string Line);
