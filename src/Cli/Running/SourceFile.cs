using Orchestrator.Cli.Reports;
using Orchestrator.Compression.Data;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Cli.Running;

/// <summary>A file that the recipe names, as it goes into the store.</summary>
/// <param name="Stamp">For provenance: the path as written.</param>
/// <param name="Open">Opens the content; may be called again.</param>
internal sealed record SourceFile(FileStamp Stamp, Func<Stream> Open)
{
    public SourceBlob Blob => new(Stamp.Sha256, Stamp.Bytes);

    /// <summary>Checks a data file to its last element, so that nothing is found out after hours.</summary>
    /// <exception cref="InputException">Not NumPy data, or NaN or infinity in it.</exception>
    public static (SourceFile File, DataHeader Header) ReadData(string written, string path)
    {
        using var data = DataFile.Open(path);
        data.CheckFinite();
        var (sha256, length) = data.Digest();
        var file = new SourceFile(new FileStamp(written, sha256, length), () => File.OpenRead(path));
        return (file, new DataHeader(written, file.Blob, data.Outlines));
    }
}
