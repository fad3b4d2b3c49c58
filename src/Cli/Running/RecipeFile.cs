using System.Security.Cryptography;
using System.Text;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Cli.Running;

/// <summary>A recipe on disk: read, checked, and the folder that its paths are relative to.</summary>
internal sealed class RecipeFile
{
    private readonly string _realFolder;

    private RecipeFile(string path, Recipe recipe, FileStamp stamp)
    {
        Folder = Path.GetDirectoryName(path)!;
        _realFolder = RealPath.Of(Folder);
        Recipe = recipe;
        Stamp = stamp;
    }

    /// <summary>Absolute.</summary>
    public string Folder { get; }

    public Recipe Recipe { get; }

    public FileStamp Stamp { get; }

    /// <param name="path">Absolute path of the recipe.</param>
    /// <exception cref="InputException">Missing, unreadable, too large, or wrong in itself.</exception>
    public static RecipeFile Open(string path)
    {
        if (!File.Exists(path))
        {
            var cause = Directory.Exists(path) ? "this is a folder" : "there is no such file";
            throw new InputException("recipe-not-found", path, cause, "Give the path of a recipe file (YAML).");
        }

        var bytes = ReadBounded(path);
        try
        {
            var text = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
            var stamp = new FileStamp(Path.GetFileName(path), Convert.ToHexStringLower(SHA256.HashData(bytes)), bytes.Length);
            return new RecipeFile(path, RecipeReader.Read(text), stamp);
        }
        catch (DecoderFallbackException broken)
        {
            throw new InputException("recipe-invalid", path, $"the recipe is not UTF-8 text (byte {broken.Index})", "Save it as UTF-8 YAML.", broken);
        }
    }

    /// <summary>The real path of a file that the recipe names.</summary>
    /// <param name="key">The recipe's key, for the message.</param>
    /// <param name="code">Error code where the file does not exist.</param>
    /// <exception cref="InputException">Missing, or outside the folder once links are resolved (<c>path-outside-folder</c>).</exception>
    public string ResolveFile(string key, string path, string code)
    {
        var real = ResolveInside(key, path);
        if (File.Exists(real))
            return real;
        var cause = Directory.Exists(real) ? $"'{path}' is a folder" : $"'{path}' does not exist";
        throw new InputException(code, key, cause, "Give the path of a file, relative to the recipe's folder.");
    }

    /// <summary>The real path of a file or folder that the recipe names and that may not exist yet.</summary>
    public string ResolveInside(string key, string path)
    {
        var real = RealPath.Of(Path.Combine(Folder, path));
        if (RealPath.IsInside(real, _realFolder))
            return real;
        throw new InputException(
            "path-outside-folder", key, $"'{path}' leads out of the recipe's folder",
            "A recipe may only use files below its own folder; copy or move the file there.");
    }

    private static byte[] ReadBounded(string path)
    {
        try
        {
            using var file = new FileStream(RegularFile.Open(path), FileAccess.Read);
            var bytes = new byte[RecipeLimits.Bytes + 1];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > RecipeLimits.Bytes)
                throw new InputException("recipe-invalid", path, $"the recipe is larger than {RecipeLimits.Bytes >> 20} MiB", "A recipe is a short text; is this the right file?");
            return bytes[..length];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new InputException("recipe-not-readable", path, unreadable.Message, "Check the file's permissions.", unreadable);
        }
    }
}
