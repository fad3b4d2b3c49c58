using System.Runtime.InteropServices;

namespace Orchestrator.OnnxRuntime.Native;

/// <summary>Finds and loads ONNX Runtime's library beside our binaries and asks it for its function table.</summary>
internal static unsafe class OrtLibrary
{
    /// <summary>The newest version whose functions we call.</summary>
    internal const uint ApiVersion = 17;

    private static readonly Lazy<nint> s_entryPoints = new(LoadEntryPoints, LazyThreadSafetyMode.ExecutionAndPublication);
    private static readonly Lazy<nint> s_table = new(LoadTable, LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>Address of the function table.</summary>
    /// <exception cref="OrtException">No library was found, or it is too old.</exception>
    internal static void** Table => (void**)s_table.Value;

    internal static string VersionString =>
        Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)((void**)s_entryPoints.Value)[1])()) ?? "";

    /// <summary>Names of the library in order of preference: as npm ships it, then as NuGet does.</summary>
    private static string[] FileNames =>
        OperatingSystem.IsWindows() ? ["onnxruntime.dll"]
        : OperatingSystem.IsMacOS() ? ["libonnxruntime.1.dylib", "libonnxruntime.dylib"]
        : ["libonnxruntime.so.1", "libonnxruntime.so"];

    private static nint LoadEntryPoints()
    {
        var library = Load();
        if (!NativeLibrary.TryGetExport(library, "OrtGetApiBase", out var getEntryPoints))
            throw new OrtException(OrtErrorCode.EngineError, "The library found as ONNX Runtime does not export OrtGetApiBase.");
        return ((delegate* unmanaged<nint>)getEntryPoints)();
    }

    private static nint LoadTable()
    {
        var table = ((delegate* unmanaged<uint, nint>)((void**)s_entryPoints.Value)[0])(ApiVersion);
        return table != 0
            ? table
            : throw new OrtException(OrtErrorCode.EngineError, $"ONNX Runtime {VersionString} is too old: its C API {ApiVersion} is needed.");
    }

    /// <summary>Loads by full path only, so that another program's library on the search path is never picked up.</summary>
    private static nint Load()
    {
        var folders = Folders().ToArray();
        foreach (var path in folders.SelectMany(folder => FileNames.Select(name => Path.Combine(folder, name))).Where(File.Exists))
        {
            try
            {
                return NativeLibrary.Load(path);
            }
            catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
            {
                throw new OrtException(OrtErrorCode.EngineError, $"{path} cannot be loaded: {exception.Message}", exception);
            }
        }

        throw new OrtException(
            OrtErrorCode.NoSuchFile,
            $"ONNX Runtime's library {FileNames[0]} is in none of {string.Join(", ", folders)}. The build puts it there; build again, or copy it by hand.");
    }

    private static IEnumerable<string> Folders()
    {
        var runtime = Path.Combine("runtimes", RuntimeInformation.RuntimeIdentifier, "native");
        return new[] { AppContext.BaseDirectory, Path.GetDirectoryName(typeof(OrtLibrary).Assembly.Location) ?? "" }
            .Where(folder => folder.Length > 0)
            .Select(Path.TrimEndingDirectorySeparator)
            .Distinct()
            .SelectMany(folder => new[] { folder, Path.Combine(folder, runtime), Path.Combine(folder, PortableRuntime) });
    }

    /// <summary>Where NuGet packages put the files of this system; the runtime identifier may name a distribution instead.</summary>
    private static string PortableRuntime => Path.Combine(
        "runtimes",
        (OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux") + "-" + (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "arm64" : "x64"),
        "native");
}
