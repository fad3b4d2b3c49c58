using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Orchestrator.Jobs.Outcomes;

/// <summary>What tells kinds of failures apart: the code, and a hash of the message without what differs from attempt to attempt.</summary>
public static partial class Fingerprints
{
    private const int HashChars = 8;

    /// <summary>For example <c>out-of-memory-1f0c22ab</c>.</summary>
    public static string Of(Failure failure)
    {
        var message = Spaces().Replace(Numbers().Replace(Quoted().Replace(failure.Message, "''"), "#"), " ").Trim().ToLowerInvariant();
        return $"{failure.Code}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(message)))[..HashChars]}";
    }

    /// <summary>Names of files, blobs, workers and nodes.</summary>
    [GeneratedRegex("'[^']*'|\"[^\"]*\"", RegexOptions.CultureInvariant)]
    private static partial Regex Quoted();

    /// <summary>Counts, sizes, addresses, digests: whatever has a digit in it.</summary>
    [GeneratedRegex(@"[\w.\-/\\:]*\d[\w.\-/\\:]*", RegexOptions.CultureInvariant)]
    private static partial Regex Numbers();

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Spaces();
}
