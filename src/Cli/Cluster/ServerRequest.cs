namespace Orchestrator.Cli.Cluster;

/// <summary>What is asked of whichever server is the active one.</summary>
internal sealed record ServerRequest(HttpMethod Method, string Path)
{
    /// <summary>How long nothing may move.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Made anew for each try; null for none.</summary>
    public Func<StallTimer, HttpContent>? Content { get; init; }

    /// <summary>Asked twice it does what it does once.</summary>
    public bool IsRepeatable { get; init; } = true;

    /// <summary>404 is an answer like another.</summary>
    public bool MayBeMissing { get; init; }

    /// <summary>Whoever reads the answer goes on with the response and disposes of it.</summary>
    public bool KeepsResponse { get; init; }

    public static ServerRequest Get(string path) => new(HttpMethod.Get, path);
}
