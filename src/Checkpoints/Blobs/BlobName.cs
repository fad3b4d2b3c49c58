using System.Buffers;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>What a blob may be called: segments of lower-case letters, digits, dot, dash and underscore, joined by slashes; portable to every store and file system.</summary>
public static class BlobName
{
    public const string HeadSuffix = ".head";

    private const int MaxLength = 512;
    private const int MaxSegmentLength = 128;
    private static readonly SearchValues<char> s_letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789._-");

    /// <exception cref="ArgumentException">Not a valid name.</exception>
    public static void Check(string name)
    {
        if (name.Length is 0 or > MaxLength)
            throw Bad(name, $"1 to {MaxLength} characters");
        foreach (var range in name.AsSpan().Split('/'))
        {
            var segment = name.AsSpan(range);
            if (segment.Length is 0 or > MaxSegmentLength || segment.ContainsAnyExcept(s_letters))
                throw Bad(name, $"segments of 1 to {MaxSegmentLength} of a-z, 0-9, '.', '_', '-'");
            // A leading dot would name the parent folder or a file of the store's own.
            if (segment[0] == '.')
                throw Bad(name, "segments that do not start with a dot");
        }
    }

    public static bool IsHead(string name) => name.EndsWith(HeadSuffix, StringComparison.Ordinal);

    /// <exception cref="ArgumentException">Not a valid name, or of the other kind.</exception>
    public static void Check(string name, bool head)
    {
        Check(name);
        if (IsHead(name) != head)
            throw Bad(name, head ? $"a last segment that ends in '{HeadSuffix}'" : $"a last segment that does not end in '{HeadSuffix}'");
    }

    private static ArgumentException Bad(string name, string expected) => new($"'{name}' is not a valid blob name: expected {expected}.", nameof(name));
}
