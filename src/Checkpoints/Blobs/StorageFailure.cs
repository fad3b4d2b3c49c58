namespace Orchestrator.Checkpoints.Blobs;

/// <summary>What the operating system says, with the path, in words, and with what helps.</summary>
internal static class StorageFailure
{
    private const int NotPermitted = 1;
    private const int AccessDenied = 13;
    private const int TooManyInSystem = 23;
    private const int TooManyOpen = 24;
    private const int FileTooLarge = 27;
    private const int NoSpace = 28;
    private const int ReadOnly = 30;
    private const int Quota = 122;

    private const string Again = "then run the same command again: nothing that was committed is lost";

    /// <returns>Null for exceptions that are none of a file system's, and for those that say it already.</returns>
    public static IOException? Of(Exception cause, string path)
    {
        if (!IsOfFileSystem(cause) || cause is StoreException)
            return null;
        var code = cause switch
        {
            UnauthorizedAccessException => cause.InnerException?.HResult is ReadOnly ? ReadOnly : AccessDenied,
            IOException => cause.HResult,
            _ => FileTooLarge,
        };
        var (what, remedy) = code switch
        {
            FileTooLarge => ("a file may not grow that large", "Raise the limit (ulimit -f) or choose a file system that holds larger files"),
            NoSpace => ("there is no space left on the disk", "Free some space or choose another disk"),
            Quota => ("the disk quota is used up", "Free some space or raise the quota"),
            ReadOnly => ("the file system is read-only", "Make it writable"),
            NotPermitted or AccessDenied => ("permission is denied", "Give this user the right to read and write there"),
            TooManyInSystem or TooManyOpen => ("too many files are open", "Raise the limit (ulimit -n) or use fewer slots"),
            _ => (cause.Message.TrimEnd('.'), "Check the disk"),
        };
        return new StoreException($"The store failed at '{path}': {what}. {remedy}, {Again}.", code, cause);
    }

    /// <summary>.NET tells of a file that reached its greatest size (EFBIG) with an argument that nobody gave.</summary>
    public static bool IsOfFileSystem(Exception cause) =>
        cause is IOException or UnauthorizedAccessException || StoreException.IsOfFileLimit(cause);
}

/// <summary>The store cannot be read or written: path, cause and remedy.</summary>
public sealed class StoreException : IOException
{
    private const int FileTooLarge = 27;

    /// <summary>Whether a file reached the greatest size that it may have.</summary>
    public static bool IsOfFileLimit(Exception cause) => cause is IOException { HResult: FileTooLarge } or ArgumentOutOfRangeException { ParamName: "value", Source: "System.Private.CoreLib" };

    internal StoreException(string message, int code, Exception? cause)
        : base(message, cause) => HResult = code;
}
