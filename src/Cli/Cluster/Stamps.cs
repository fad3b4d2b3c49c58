using Orchestrator.Cli.Reports;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>Stamps of files as a server takes and gives them.</summary>
internal static class Stamps
{
    public static SourceStamp ToSource(FileStamp stamp) => new(stamp.File, stamp.Sha256, stamp.Bytes);

    public static FileStamp ToFile(SourceStamp stamp) => new(stamp.File, stamp.Sha256, stamp.Bytes);
}
