using System.Diagnostics;

namespace Orchestrator.Silo.Tests;

/// <summary>A PostgreSQL server of the tests' own: in a temporary folder, reached by a socket in it, gone afterwards.</summary>
public sealed class PostgresServer : IDisposable
{
    private const string Programs = "/usr/lib/postgresql";
    private const string User = "postgres";

    private readonly string _folder = Directory.CreateTempSubdirectory("orc-pg-").FullName;

    public PostgresServer()
    {
        if (Missing is not null)
            return;
        // PostgreSQL refuses to run as root; its package makes a user for it.
        if (IsRoot)
            Run("chown", User, _folder);
        RunServer("initdb", "-D", Data, "-U", User, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions");
        RunServer("pg_ctl", "-D", Data, "-w", "-s", "-l", Path.Combine(_folder, "log"), "-o", $"-c listen_addresses='' -c fsync=off -k {_folder}", "start");
    }

    /// <summary>Why there can be no server; null where there can.</summary>
    public static string? Missing => Bin is null ? "PostgreSQL is not installed: run .ci/install" : null;

    public string Connection => $"Host={_folder};Username={User};Database=postgres";

    private static bool IsRoot => Environment.UserName == "root";

    private static string? Bin { get; } = Directory.Exists(Programs)
        ? Directory.EnumerateDirectories(Programs).Select(version => Path.Combine(version, "bin")).Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Order().LastOrDefault()
        : null;

    private string Data => Path.Combine(_folder, "data");

    public void Dispose()
    {
        if (Directory.Exists(Data))
            RunServer("pg_ctl", "-D", Data, "-s", "-m", "immediate", "stop");
        Directory.Delete(_folder, recursive: true);
    }

    private static void RunServer(string program, params string[] arguments)
    {
        var path = Path.Combine(Bin!, program);
        if (IsRoot)
            Run("setpriv", ["--reuid", User, "--regid", User, "--clear-groups", path, .. arguments]);
        else
            Run(path, arguments);
    }

    private static void Run(string program, params string[] arguments)
    {
        // Through a shell that closes what would be inherited: the server stays, and must not hold the tests' pipes open.
        var start = new ProcessStartInfo("sh", ["-c", "\"$@\" >/dev/null 2>&1 </dev/null", "sh", program, .. arguments]) { WorkingDirectory = "/" };
        using var process = Process.Start(start)!;
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }
}

/// <summary>A fact about silos on PostgreSQL; skipped where that is not installed.</summary>
public sealed class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute() => Skip = PostgresServer.Missing;
}
