using System.Diagnostics;
using System.IO.Compression;
using System.Text;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>
/// A sample of the attacks through the real command: exit code 2, one message with code, subject and remedy, nothing written, and a process
/// that never holds more than 256 MiB and twice the file without its tensors.
/// </summary>
public sealed class HostileFileTests
{
    private const int WrongInput = 2;
    private const long AllowedBytes = 256L << 20;
    private const int Megabyte = 1 << 20;

    private static readonly Dictionary<string, Action<Workspace>> Attacks = new()
    {
        ["a million nodes"] = w => Model(w, Repeated(1, 10, [0x0a, 0x01, (byte)'x', 0x12, 0x01, (byte)'y', 0x22, 0x02, (byte)'O', (byte)'p'])),
        ["ten million empty nodes"] = w => Model(w, Repeated(1, 20, [])),
        ["two million initializers"] = w => Model(w, Repeated(5, 20, [0x08, 0x01, 0x10, 0x01])),
        ["numbers packed by the byte"] = w => Model(w, Field(5, Field(7, new byte[30 * Megabyte]))),
        ["types given again and again"] = w => Model(w, Field(11, Repeated(2, 4, Field(1, Field(2, Field(1, [0x08, 0x01])))))),
        ["bodies ten thousand deep"] = w => Model(w, Deep(10_000)),
        ["a length beyond the file"] = w => File.WriteAllBytes(w[Workspace.Model], [0x3a, 0xff, 0xff, 0xff, 0xff, 0x07]),
        ["a model that is a pipe"] = w =>
        {
            File.Delete(w[Workspace.Model]);
            using var process = Process.Start("mkfifo", [w[Workspace.Model]]);
            process.WaitForExit();
        },
        ["a model that is a device"] = w =>
        {
            File.Delete(w[Workspace.Model]);
            File.CreateSymbolicLink(w[Workspace.Model], "/dev/zero");
        },
        ["a model that is a folder"] = w =>
        {
            File.Delete(w[Workspace.Model]);
            Directory.CreateDirectory(w[Workspace.Model]);
        },
        ["a model of eight terabytes of holes"] = w =>
        {
            using var file = File.OpenWrite(w[Workspace.Model]);
            file.SetLength(8L << 40);
        },
        ["weights in another's file"] = w => External(w, "/etc/hostname"),
        ["weights above the folder"] = w => External(w, "../weights.bin"),
        ["weights in a petabyte of holes"] = w =>
        {
            using (var file = File.Create(w["holes.bin"]))
                file.SetLength(8L << 40);
            External(w, "holes.bin");
        },
        ["data that unpacks without end"] = w => Bomb(w, "images"),
        ["data of a petabyte"] = w => Npy(w, "(1125899906842624,)"),
        ["data that is a pickle"] = w => Npy(w, "(1,)", "|O"),
        ["a recipe of laughs"] = w => w.Write("recipe.yaml", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
        ["a recipe of brackets"] = w => w.Write("recipe.yaml", new string('[', 500_000)),
        ["a recipe of a hundred thousand faults"] = w => w.Write("recipe.yaml", string.Concat(Enumerable.Range(0, 90_000).Select(i => $"k{i}: 1\n"))),
        ["a recipe that is no text"] = w => File.WriteAllBytes(w["recipe.yaml"], [0xFF, 0xFE, 0x00, 0xD8]),
    };

    public static TheoryData<string> Names => [.. Attacks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Is_refused_with_nothing_written_and_little_memory(string attack)
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        Attacks[attack](workspace);
        var before = Directory.GetFileSystemEntries(workspace.Folder).Order().ToArray();

        var (result, peak) = await RunMeasured(workspace.Folder);

        result.Expect(WrongInput);
        var error = result.Json.GetProperty("error");
        foreach (var member in (string[])["code", "message", "subject", "remedy"])
            Assert.False(string.IsNullOrWhiteSpace(error.GetProperty(member).GetString()), $"{member} is empty");
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
        Assert.Equal(before, Directory.GetFileSystemEntries(workspace.Folder).Order());
        Assert.InRange(peak, 1, AllowedBytes + (2 * Metadata(workspace)));
    }

    private static long Metadata(Workspace workspace) =>
        File.Exists(workspace[Workspace.Model]) && new FileInfo(workspace[Workspace.Model]).Length is < 1L << 30 and var length ? length : 0;

    /// <summary>The kernel tells a process's peak while it lives; it is asked every millisecond until the process is gone.</summary>
    private static async Task<(OrcResult Result, long Peak)> RunMeasured(string folder)
    {
        var start = new ProcessStartInfo(Orc.Executable, ["run", "recipe.yaml", "--json"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("orc did not start.");
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = process.StandardError.ReadToEndAsync(patience.Token);
        var peak = 0L;
        while (!process.HasExited)
        {
            peak = Math.Max(peak, PeakOf(process.Id));
            await Task.WhenAny(process.WaitForExitAsync(patience.Token), Task.Run(() => patience.Token.WaitHandle.WaitOne(1), patience.Token));
        }
        return (new OrcResult(process.ExitCode, await output, await errors), peak);
    }

    /// <summary>The high-water mark: looking often matters only for what happens last.</summary>
    private static long PeakOf(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line["VmHWM:".Length..].Replace("kB", "").Trim()) << 10;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static void Model(Workspace workspace, byte[] graph)
    {
        byte[] opset = [0x42, 0x02, 0x10, 13];
        File.WriteAllBytes(workspace[Workspace.Model], [0x08, 8, .. Field(7, graph), .. opset]);
    }

    private static void External(Workspace workspace, string location)
    {
        byte[] entry = [.. Field(1, "location"u8), .. Field(2, Encoding.UTF8.GetBytes(location))];
        byte[] length = [.. Field(1, "length"u8), .. Field(2, "1125899906842624"u8)];
        byte[] tensor = [0x08, 0x04, 0x10, 0x01, .. Field(8, "w"u8), .. Field(13, entry), .. Field(13, length), 0x70, 0x01];
        Model(workspace, [.. Field(5, tensor), .. Field(12, Field(1, "w"u8))]);
    }

    private static byte[] Deep(int levels)
    {
        byte[] inner = [];
        for (var i = 0; i < levels; i++)
            inner = Field(1, Field(5, Field(6, inner)));
        return inner;
    }

    private static byte[] Repeated(int number, int megabytes, byte[] content)
    {
        var element = Field(number, content);
        var all = new byte[megabytes * Megabyte / element.Length * element.Length];
        for (var at = 0; at < all.Length; at += element.Length)
            element.CopyTo(all, at);
        return all;
    }

    private static byte[] Field(int number, ReadOnlySpan<byte> content)
    {
        var head = new List<byte>();
        Varint(head, ((uint)number << 3) | 2);
        Varint(head, (uint)content.Length);
        return [.. head, .. content];
    }

    private static void Varint(List<byte> bytes, uint value)
    {
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }

    private static void Bomb(Workspace workspace, string name)
    {
        using var file = File.Create(workspace[Workspace.Calibration]);
        using var archive = new ZipArchive(file, ZipArchiveMode.Create);
        for (var i = 0; i < 6; i++)
        {
            using var entry = archive.CreateEntry($"{name}{i}.npy", CompressionLevel.Fastest).Open();
            entry.Write(Header($"(400, {Megabyte})", "|u1"));
            for (var done = 0; done < 400; done++)
                entry.Write(new byte[Megabyte]);
        }
    }

    private static void Npy(Workspace workspace, string shape, string type = "<f4") =>
        File.WriteAllBytes(workspace[Workspace.Calibration], Header(shape, type));

    private static byte[] Header(string shape, string type)
    {
        var header = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}".PadRight(117) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header)];
    }
}
