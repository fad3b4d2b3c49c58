using System.IO.Compression;
using System.Text;
using Orchestrator.Compression.Data;
using Orchestrator.Fuzzing.Onnx;

namespace Orchestrator.Fuzzing;

/// <summary>The generated part of the corpus. What a campaign found is added by hand, under a name that says what it was.</summary>
internal static class Seeds
{
    private const string Prefix = "seed-";

    private static readonly Dictionary<string, string> s_recipes = new()
    {
        ["small"] = "model: m.onnx\ndata: {calibration: {file: c.npz}}\ncompress: [{method: obq, bits: 4}]\n",
        ["full"] = """
            version: 1                                 # optional
            model: nets/m.onnx
            data:
              calibration: {file: c.npz, samples: 64}
              evaluation: {file: e.npz, metric: top1}
              preprocess: {scale: 0.0039, mean: [0.2860], std: [0.3530]}
            compress:
              - {method: exact-obs, sparsity: 0.7, select: heap, damping: 1e-4}
              - {method: obq, bits: 4, grid: mse, scheme: asymmetric}
            layers:
              - {match: "/fc/Gemm", bits: 8}
              - {match: "/stem/*", skip: true}
              - {match: "/conv[0-9]?/", sparsity: 0.5}
            batch_norm: fold
            correct: []
            first_last_bits: same
            seed: -7
            output: {folder: out}

            """,
        ["block-style"] = """
            model: "m.onnx"
            data:
              calibration:
                file: 'c.npz'
            compress:
            - method: nm
              pattern: "2:4"
            - method: rtn
              bits: 3
              grid: minmax
              scheme: symmetric
            output:
              folder: >-
                results

            """,
        ["blocks"] = "model: m.onnx\ndata: {calibration: {file: c.npz, samples: 8}}\ncompress:\n  - {method: block, size: 4, sparsity: 0.5, select: sort}\nbatch_norm: keep\n",
    };

    public static int Write(string folder)
    {
        foreach (var (name, model) in SeedModels.All())
            Put(folder, "onnx", $"{Prefix}{name}.onnx", model);
        foreach (var (name, text) in s_recipes)
            Put(folder, "recipe", $"{Prefix}{name}.yaml", Encoding.UTF8.GetBytes(text));
        var arrays = Arrays();
        foreach (var (name, content) in arrays)
            Put(folder, "npy", $"{Prefix}{name}.npy", content);
        Put(folder, "npz", $"{Prefix}stored.npz", Archive(CompressionLevel.NoCompression, ("x.npy", arrays["float32"]), ("labels.npy", arrays["int64"])));
        Put(folder, "npz", $"{Prefix}deflated.npz", Archive(CompressionLevel.Optimal, ("x.npy", arrays["float32"]), ("mask.npy", arrays["bool"])));
        Put(folder, "npz", $"{Prefix}halves.npz", Archive(CompressionLevel.Optimal, ("a.npy", arrays["float16"]), ("b.npy", arrays["float64"]), ("c.npy", arrays["uint8"])));
        Put(folder, "npz", $"{Prefix}lone.npz", arrays["float32"]);
        return 0;
    }

    private static Dictionary<string, byte[]> Arrays() => new()
    {
        ["float32"] = Npy([1f, 2, 3, 4, 5, 6], 2, 3),
        ["float64"] = Npy([1.0, -2], 2, 1),
        ["float16"] = Npy([(Half)1, (Half)2], 2),
        ["uint8"] = Npy([(byte)1, (byte)2], 2, 1, 1),
        ["int64"] = Npy([1L, 2], 2),
        ["bool"] = Npy([true, false], 2),
        ["scalar"] = Npy([3.5f]),
        ["empty"] = Npy<float>([], 0, 3),
    };

    private static byte[] Npy<T>(T[] values, params long[] shape)
        where T : unmanaged
    {
        using var stream = new MemoryStream();
        NpyArray.Write<T>(stream, values, shape);
        return stream.ToArray();
    }

    private static byte[] Archive(CompressionLevel level, params (string Name, byte[] Content)[] entries)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                var entry = archive.CreateEntry(name, level);
                entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
                using var target = entry.Open();
                target.Write(content);
            }
        }
        return stream.ToArray();
    }

    private static void Put(string folder, string target, string name, byte[] content)
    {
        Directory.CreateDirectory(Path.Combine(folder, target));
        File.WriteAllBytes(Path.Combine(folder, target, name), content);
    }
}
