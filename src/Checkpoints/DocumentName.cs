using System.Globalization;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints;

/// <summary>
/// The name of a document that is created once and may have to be written anew: <c>{stem}.json</c>, and <c>{stem}.{number}.json</c> where
/// those of lower numbers do not count, because they are damaged or have a revocation, <c>{stem}.{number}.revoked.json</c>.
/// </summary>
/// <remarks>Such documents are never deleted or replaced: who deletes what it found damaged a while ago may hit the sound one that another process wrote meanwhile.</remarks>
/// <param name="Stem">Folder and name without the rest.</param>
internal readonly record struct DocumentName(string Stem, int Number, bool IsRevocation)
{
    private const string Suffix = ".json";
    private const string Revoked = ".revoked";

    public DocumentName Next => this with { Number = Number + 1 };

    public DocumentName Revocation => this with { IsRevocation = true };

    /// <returns>Null where the name is no document's.</returns>
    public static DocumentName? Parse(string name)
    {
        if (!name.EndsWith(Suffix, StringComparison.Ordinal) || BlobName.IsHead(name))
            return null;
        var stem = name[..^Suffix.Length];
        var isRevocation = stem.EndsWith(Revoked, StringComparison.Ordinal);
        if (isRevocation)
            stem = stem[..^Revoked.Length];
        var dot = stem.IndexOf('.', stem.LastIndexOf('/') + 1);
        if (dot < 0)
            return new DocumentName(stem, 0, isRevocation);
        return int.TryParse(stem.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? new DocumentName(stem[..dot], number, isRevocation)
            : null;
    }

    public override string ToString() => $"{Stem}{(Number == 0 ? "" : $".{Number}")}{(IsRevocation ? Revoked : "")}{Suffix}";
}
