using System.Globalization;
using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>
/// Tensors whose bytes lie in a file beside the model. Paths are relative and stay inside the model's folder with every symbolic link
/// resolved; offset and length are checked against the shape and the real file before a byte is allocated.
/// </summary>
internal sealed class ExternalData(string? folder)
{
    private const int MaxLinks = 40;

    private long _total;

    /// <summary>Reads the bytes into the tensor, which afterwards is like any other.</summary>
    public void Load(TensorProto tensor, long expectedBytes)
    {
        var (location, offset, length) = Entries(tensor);
        if (length is { } declared && declared != expectedBytes)
            throw new OnnxException(tensor.Name, $"external data declares {declared} bytes where the shape wants {expectedBytes}");
        var path = Resolve(tensor.Name, location);
        var size = new FileInfo(path).Length;
        if (offset > size || expectedBytes > size - offset)
            throw new OnnxException(tensor.Name, $"external data wants bytes {offset} to {offset + expectedBytes} of '{location}', which has {size}");
        _total += expectedBytes;
        if (_total > OnnxModel.MaxBytes)
            throw new OnnxException(tensor.Name, $"the model and its external data are larger than {OnnxModel.MaxBytes} bytes");

        tensor.RawData = UnsafeByteOperations.UnsafeWrap(Read(path, offset, (int)expectedBytes, tensor.Name));
        tensor.ExternalData.Clear();
        tensor.ClearDataLocation();
    }

    private static byte[] Read(string path, long offset, int count, string tensor)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(count);
        try
        {
            using var file = File.OpenHandle(path);
            var done = 0;
            while (done < count)
            {
                var read = RandomAccess.Read(file, bytes.AsSpan(done), offset + done);
                if (read == 0)
                    throw new OnnxException(tensor, "the external data file became shorter while it was read");
                done += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(tensor, $"external data cannot be read: {e.Message}", e);
        }
        return bytes;
    }

    private static (string Location, long Offset, long? Length) Entries(TensorProto tensor)
    {
        string? location = null;
        long offset = 0;
        long? length = null;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in tensor.ExternalData)
        {
            if (!seen.Add(entry.Key))
                throw new OnnxException(tensor.Name, $"external data names '{entry.Key}' twice");
            switch (entry.Key)
            {
                case "location":
                    location = entry.Value;
                    break;
                case "offset":
                    offset = Number(tensor.Name, entry);
                    break;
                case "length":
                    length = Number(tensor.Name, entry);
                    break;
                case "checksum" or "basepath":
                    break;
                default:
                    throw new OnnxException(tensor.Name, $"external data has the unknown key '{entry.Key}'");
            }
        }
        return (location ?? throw new OnnxException(tensor.Name, "external data has no location"), offset, length);
    }

    private static long Number(string tensor, StringStringEntryProto entry) =>
        long.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new OnnxException(tensor, $"external data has {entry.Key} '{entry.Value}', which is not a whole number of at least 0");

    private string Resolve(string tensor, string location)
    {
        if (folder is null)
            throw new OnnxException(tensor, "the tensor lies in an external file, but the model was not read from a folder");
        var segments = location.Split('/', '\\');
        if (location.Length == 0 || location.Contains('\0') || Path.IsPathRooted(location) || location.Contains(':') || segments.Any(s => s is ".." or ""))
            throw new OnnxException(tensor, $"external data path '{location}' must be relative and stay inside the model's folder");

        var root = RealPath(Path.GetFullPath(folder));
        var path = Path.Combine(root, Path.Combine(segments));
        if (!File.Exists(path))
            throw new OnnxException(tensor, $"external data file '{location}' does not exist in the model's folder");
        var real = RealPath(path);
        return real.StartsWith(root.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? real
            : throw new OnnxException(tensor, $"external data path '{location}' leaves the model's folder through a symbolic link");
    }

    /// <summary>The path with the links of every component followed, not of the last one only.</summary>
    private static string RealPath(string path, int depth = 0)
    {
        if (depth > MaxLinks)
            throw new OnnxException(path, "symbolic links go round in a circle");
        var real = Path.GetPathRoot(path)!;
        foreach (var part in path[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            if (LinkTarget(real) is { } target)
                real = RealPath(target, depth + 1);
        }
        return real;
    }

    private static string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(path).ResolveLinkTarget(returnFinalTarget: false)?.FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(path, $"a symbolic link cannot be followed: {e.Message}", e);
        }
    }
}
