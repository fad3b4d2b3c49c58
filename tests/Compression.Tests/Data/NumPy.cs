using System.IO.Compression;
using System.Text;
using Orchestrator.Compression.Data;

namespace Orchestrator.Compression.Tests.Data;

/// <summary>Files as NumPy writes them, and files as it would not.</summary>
internal static class NumPy
{
    public static byte[] Npy<T>(T[] values, params long[] shape)
        where T : unmanaged
    {
        using var stream = new MemoryStream();
        NpyArray.Write<T>(stream, values, shape);
        return stream.ToArray();
    }

    /// <summary>An .npy file with the header given word for word.</summary>
    public static byte[] WithHeader(string header, byte[] elements, byte version = 1)
    {
        var text = Encoding.UTF8.GetBytes(header + "\n");
        byte[] length = version == 1 ? BitConverter.GetBytes((ushort)text.Length) : BitConverter.GetBytes(text.Length);
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. text, .. elements];
    }

    public static byte[] Npz(CompressionLevel level, params (string Name, byte[] Content)[] entries)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                using var entry = archive.CreateEntry(name, level).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }
}
