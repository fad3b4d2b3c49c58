using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Tests.Blobs;

/// <summary>A process that works on a file store beside others: started by tests, begins when it reads a line, tells a line for each thing done.</summary>
internal sealed class StoreProcess : IDisposable
{
    public const string Head = "local/counter.head";

    /// <summary>Long enough that a write takes many system calls.</summary>
    private const int ContentBytes = 300_000;

    /// <summary>What <c>halt</c> tells in the middle of its write.</summary>
    public const string Half = "half";

    private const string Ready = "ready";
    private const int UnknownRole = 2;

    private readonly Process _process;

    private StoreProcess(Process process) => _process = process;

    public StreamReader Output => _process.StandardOutput;

    /// <summary>Starts a process and returns when it waits for <see cref="Go"/>.</summary>
    public static async Task<StoreProcess> StartAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(StoreProcess).Assembly.Location, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var process = new StoreProcess(Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start."));
        if (await process.Output.ReadLineAsync() != Ready)
            throw new InvalidOperationException("The process is not ready.");
        return process;
    }

    public void Go()
    {
        _process.StandardInput.WriteLine();
        _process.StandardInput.Flush();
    }

    /// <returns>The lines that are left.</returns>
    public async Task<string[]> EndAsync()
    {
        var lines = (await Output.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await _process.WaitForExitAsync();
        return _process.ExitCode == 0 ? lines : throw new InvalidOperationException($"The process ended with {_process.ExitCode}.");
    }

    /// <summary>SIGKILL.</summary>
    /// <returns>The lines that are left.</returns>
    public async Task<string[]> KillAsync()
    {
        _process.Kill();
        var lines = (await Output.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await _process.WaitForExitAsync();
        return lines;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    /// <summary>What a writer puts into a blob: anyone can tell whose it is and whether it is whole.</summary>
    public static byte[] ContentOf(string writer, string name)
    {
        var content = new byte[ContentBytes];
        var line = Encoding.UTF8.GetBytes($"{writer} {name}\n");
        for (var at = 0; at < content.Length - SHA256.HashSizeInBytes; at++)
            content[at] = line[at % line.Length];
        SHA256.HashData(content.AsSpan(..^SHA256.HashSizeInBytes), content.AsSpan(^SHA256.HashSizeInBytes..));
        return content;
    }

    /// <returns>Who wrote it; null where it is not whole.</returns>
    public static string? WriterOf(ReadOnlySpan<byte> content) =>
        content.Length == ContentBytes && SHA256.HashData(content[..^SHA256.HashSizeInBytes]).AsSpan().SequenceEqual(content[^SHA256.HashSizeInBytes..])
            ? Encoding.UTF8.GetString(content[..content.IndexOf((byte)' ')])
            : null;

    /// <param name="arguments">Role, the store's folder, a name of one's own, how often.</param>
    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments is not [var role, var folder, var writer, var times])
            return UnknownRole;
        var store = FileBlobStore.Open(folder, TimeProvider.System);
        Console.WriteLine(Ready);
        Console.ReadLine();
        var count = int.Parse(times, CultureInfo.InvariantCulture);
        switch (role)
        {
            case "create":
                await CreateAsync(store, writer, [.. Enumerable.Range(0, count).Select(i => $"local/{i % 3}/shared-{i:d4}")]);
                return 0;
            case "write":
                await CreateAsync(store, writer, [.. Enumerable.Range(0, count).Select(i => $"local/{writer}/own-{i:d6}")]);
                return 0;
            case "halt":
                await HaltAsync(store, writer);
                return 0;
            case "count":
                await CountAsync(store, count);
                return 0;
            default:
                return UnknownRole;
        }
    }

    /// <summary>Tells that half of a blob is written, and goes on when it reads a line.</summary>
    private static async Task HaltAsync(FileBlobStore store, string writer)
    {
        var name = $"local/{writer}/halted";
        var content = ContentOf(writer, name);
        await store.CreateAsync(name, async (stream, token) =>
        {
            await stream.WriteAsync(content.AsMemory(..(content.Length / 2)), token);
            await stream.FlushAsync(token);
            Console.WriteLine(Half);
            Console.ReadLine();
            await stream.WriteAsync(content.AsMemory((content.Length / 2)..), token);
        }, CancellationToken.None);
    }

    private static async Task CreateAsync(FileBlobStore store, string writer, IReadOnlyList<string> names)
    {
        const int Piece = 8_192;
        foreach (var name in names)
        {
            var content = ContentOf(writer, name);
            var won = await store.CreateAsync(name, async (stream, token) =>
            {
                for (var at = 0; at < content.Length; at += Piece)
                    await stream.WriteAsync(content.AsMemory(at, Math.Min(Piece, content.Length - at)), token);
            }, CancellationToken.None);
            if (won)
                Console.WriteLine(name);
        }
    }

    /// <summary>Adds one to a number, again and again; of those who do so at once one gets through.</summary>
    private static async Task CountAsync(FileBlobStore store, int times)
    {
        for (var done = 0; done < times;)
        {
            var old = await store.ReadAsync(Head, CancellationToken.None);
            var next = old is null ? 1 : BitConverter.ToInt32(old.Content.Span) + 1;
            if (await store.ReplaceAsync(Head, BitConverter.GetBytes(next), old?.ETag, CancellationToken.None) is null)
                continue;
            Console.WriteLine(next.ToString(CultureInfo.InvariantCulture));
            done++;
        }
    }
}
