namespace Orchestrator.Server;

/// <summary>Why a request is refused, as far as its sender can do something about it.</summary>
public enum Refusal
{
    /// <summary>The request itself is wrong.</summary>
    Invalid = 1,

    /// <summary>No key, or one that nobody knows.</summary>
    Unauthenticated = 2,

    /// <summary>The key is for something else.</summary>
    Forbidden = 3,

    /// <summary>There is no such thing, or it is another tenant's.</summary>
    NotFound = 4,

    /// <summary>Not in the state that it is in.</summary>
    Conflict = 5,

    /// <summary>Larger than is taken in.</summary>
    TooLarge = 6,

    /// <summary>This server does not do such things.</summary>
    Unsupported = 7,

    /// <summary>Not now, or not here: ask again, or another server.</summary>
    Unavailable = 8,
}

/// <summary>A request that is not carried out, and why.</summary>
/// <param name="code">Stable, kebab-case.</param>
/// <param name="subject">What it is about.</param>
/// <param name="message">Cause, in one sentence.</param>
/// <param name="remedy">What to do about it.</param>
public sealed class RefusedException(Refusal refusal, string code, string subject, string message, string remedy, Exception? inner = null) : Exception(message, inner)
{
    public Refusal Refusal { get; } = refusal;
    public string Code { get; } = code;
    public string Subject { get; } = subject;
    public string Remedy { get; } = remedy;

    internal static RefusedException NoSuchJob(string id) =>
        new(Refusal.NotFound, "job-not-found", id, "There is no such job.", "See `orc list`.");

    internal static RefusedException StoreAway(string subject, Exception cause) =>
        new(Refusal.Unavailable, "store-unavailable", subject, cause.Message, "Ask again in a while; what is committed is kept.", cause);

    internal static RefusedException Deposed(string subject) =>
        new(Refusal.Unavailable, "standby", subject, "This server is not the active one any more.", "Ask the others.");
}
