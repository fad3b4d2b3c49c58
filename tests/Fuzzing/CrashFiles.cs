using System.Security.Cryptography;
using System.Text;

namespace Orchestrator.Fuzzing;

/// <summary>Where inputs that did harm are put, each beside a text that says what harm.</summary>
internal static class CrashFiles
{
    public static string Write(string folder, string target, byte[] input, Finding finding)
    {
        Directory.CreateDirectory(folder);
        var name = $"{target}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(finding.Kind)))[..12]}";
        var path = Path.Combine(folder, name);
        File.WriteAllBytes(path, input);
        File.WriteAllText(path + ".txt", $"{finding.Kind}\n{finding.Detail}\n");
        return path;
    }
}
