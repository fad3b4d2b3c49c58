using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.TestKit.Stores;

/// <summary>File stores for tests that write thousands of blobs.</summary>
public static class FileStores
{
    /// <summary>A store that never waits for the disk. What a killed process leaves is the same; only a power cut would tell.</summary>
    public static FileBlobStore OpenUnflushed(string folder) => FileBlobStore.Open(folder, TimeProvider.System, new UnflushedStorage());

    private sealed class UnflushedStorage : StableStorage
    {
        public override void FlushFile(FileStream file, string path)
        {
        }

        public override void FlushFolder(string folder)
        {
        }
    }
}
