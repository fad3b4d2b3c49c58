using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>Installs the pinned npm package into a folder of its own and moves this platform's files to where the build copies from.</summary>
public sealed class FetchOnnxRuntime : Task
{
    private const int Attempts = 2;
    private static readonly TimeSpan s_lockTimeout = TimeSpan.FromMinutes(10);

    [Required]
    public string NativeFolder { get; set; }

    [Required]
    public string Platform { get; set; }

    [Required]
    public string Version { get; set; }

    [Required]
    public string Destination { get; set; }

    [Required]
    public string[] Files { get; set; }

    public override bool Execute()
    {
        using (FileStream guard = TakeLock(Path.Combine(NativeFolder, "fetch.lock")))
        {
            return guard == null
                ? Fail("another build has held " + Path.Combine(NativeFolder, "fetch.lock") + " for " + s_lockTimeout.TotalMinutes + " minutes")
                : IsComplete() || Fetch();
        }
    }

    private bool Fetch()
    {
        string scratch = Path.Combine(NativeFolder, "fetch-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(scratch);
        try
        {
            foreach (string name in new[] { "package.json", "package-lock.json" })
            {
                File.Copy(Path.Combine(NativeFolder, name), Path.Combine(scratch, name));
            }

            string problem = null;
            for (int attempt = 0; attempt < Attempts; attempt++)
            {
                problem = RunNpm(scratch);
                if (problem == null)
                {
                    return Take(scratch);
                }
            }

            return Fail(problem);
        }
        finally
        {
            // The package carries the libraries of every platform, some 300 MB.
            Directory.Delete(scratch, true);
        }
    }

    private bool Take(string scratch)
    {
        string source = Path.Combine(scratch, "node_modules", "onnxruntime-node", "bin", "napi-v6", Platform.Replace('/', Path.DirectorySeparatorChar));
        Directory.CreateDirectory(Destination);
        foreach (string name in Files)
        {
            string from = Path.Combine(source, name);
            if (!File.Exists(from))
            {
                return Fail("the npm package onnxruntime-node " + Version + " has no " + name + " for " + Platform);
            }

            // Within one file system a move is atomic: a build that looks at the same time sees no half-written library.
            string to = Path.Combine(Destination, name);
            if (!File.Exists(to))
            {
                File.Move(from, to);
            }
        }

        Log.LogMessage(MessageImportance.High, "Fetched ONNX Runtime " + Version + " for " + Platform + " by npm.");
        return true;
    }

    private string RunNpm(string folder)
    {
        bool windows = Path.DirectorySeparatorChar == '\\';
        const string command = "npm ci --ignore-scripts --no-audit --no-fund --loglevel=error";
        var start = new ProcessStartInfo
        {
            FileName = windows ? "cmd.exe" : "npm",
            Arguments = windows ? "/d /c " + command : command.Substring("npm ".Length),
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using (Process process = Process.Start(start))
            {
                process.BeginOutputReadLine();
                string error = process.StandardError.ReadToEnd().Trim();
                process.WaitForExit();
                return process.ExitCode == 0 ? null : "npm ci ended with code " + process.ExitCode + ": " + error;
            }
        }
        catch (Win32Exception)
        {
            return "npm was not found";
        }
    }

    private bool IsComplete()
    {
        return Array.TrueForAll(Files, name => File.Exists(Path.Combine(Destination, name)));
    }

    private bool Fail(string reason)
    {
        Log.LogError(
            "ONNX Runtime's native library is missing: {0}. Install Node.js with npm and build again, or put {1} (ONNX Runtime {2}) into {3} by hand, "
            + "or build with -p:OnnxRuntimeGpu=true to take it from NuGet.",
            reason,
            string.Join(", ", Files),
            Version,
            Destination);
        return false;
    }

    private static FileStream TakeLock(string path)
    {
        var waited = new Stopwatch();
        waited.Start();
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited.Elapsed < s_lockTimeout)
            {
                Thread.Sleep(TimeSpan.FromMilliseconds(250));
            }
            catch (IOException)
            {
                return null;
            }
        }
    }
}
