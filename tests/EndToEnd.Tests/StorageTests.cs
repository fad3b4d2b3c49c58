using System.Text.Json;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>
/// A store that really runs out of room, may not be written, or loses the right to it under way: the command ends with path, cause and
/// remedy, loses nothing, and resumes to the same bytes once that is mended.
/// </summary>
public sealed class StorageTests
{
    private const int Failed = 1;
    private const int WrongInput = 2;

    private const string SmallDisk = "a disk of its own";
    private const string FileLimit = "a limit on the size of files";

    /// <summary>A disk that is full before the job is done, and room made on it. What lies in the store already counts as work that is done, so that the plan finds room enough.</summary>
    private const string OnSmallDisk = """
        mkdir disk && mount -t tmpfs -o size=85m tmpfs disk && mkdir disk/store
        head -c 30000000 /dev/zero > disk/store/.ballast
        code=0; "$ORC" run recipe.yaml --slots 2 --store disk/store --json > full.json 2> full.txt || code=$?; echo $code > full.code
        cp -r out full-out
        mount -o remount,size=1g disk
        "$ORC" run recipe.yaml --slots 2 --store disk/store --json > again.json
        mount -o remount,ro disk
        code=0; "$ORC" run recipe.yaml --slots 2 --store disk/store --json > read-only.json 2> read-only.txt || code=$?; echo $code > read-only.code
        umount disk
        """;

    /// <summary>Hessians do not fit, model and data do. The runtime maps its code through a file larger than the limit unless told not to.</summary>
    private const string UnderFileLimit = """
        export DOTNET_EnableWriteXorExecute=0
        code=0; (trap '' XFSZ; ulimit -f 2000; exec "$ORC" run recipe.yaml --slots 2 --store store --json) > full.json 2> full.txt || code=$?; echo $code > full.code
        cp -r out full-out
        "$ORC" run recipe.yaml --slots 2 --store store --json > again.json
        """;

    private static readonly string[] s_report = ["provenance.json", "report.html", "report.json"];

    /// <summary>Where this machine permits no mounts, the name of the test tells it.</summary>
    public static TheoryData<string> Kinds => Mounts is null ? new() { $"{FileLimit} (no mounts are permitted here)" } : new() { SmallDisk, FileLimit };

    /// <summary>What a command is run inside of so that it may mount; null where nothing permits it.</summary>
    private static IReadOnlyList<string>? Mounts { get; } = FindMounts();

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_store_without_room_is_told_and_the_same_command_resumes_once_there_is_some(string kind)
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: obq, bits: 4}]"));
        var isDisk = kind == SmallDisk;

        (await Orc.RunScriptAsync(workspace.Folder, isDisk ? OnSmallDisk : UnderFileLimit, isDisk ? Mounts : null)).Expect(0);

        Assert.Equal($"{Failed}", File.ReadAllText(workspace["full.code"]).Trim());
        var (full, again) = (Read(workspace, "full.json"), Read(workspace, "again.json"));
        ExpectTold(workspace, full, isDisk ? "there is no space left on the disk. Free some space" : "a file may not grow that large. Raise the limit (ulimit -f)", isDisk ? "disk/store" : "store");
        Assert.InRange(Units(full, "computed"), isDisk ? 1 : 0, Units(again, "total") - 1);
        Assert.InRange(Units(again, "reused"), Units(full, "computed"), Units(again, "total") - 1);
        await ExpectSoundAsync(workspace, again);
        if (!isDisk)
            return;
        Assert.Equal($"{WrongInput}", File.ReadAllText(workspace["read-only.code"]).Trim());
        Assert.Equal("store-not-writable", Read(workspace, "read-only.json").GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_right_to_write_that_is_lost_under_way_is_told_and_the_same_command_resumes_once_it_is_back()
    {
        const string Script = """
            mkdir -p store/.tmp store/local/attempts && chmod 755 . && chmod 777 . store store/.tmp store/local && chmod 555 store/local/attempts
            code=0; $1 "$ORC" run recipe.yaml --slots 2 --store store --json > full.json 2> full.txt || code=$?; echo $code > full.code
            cp -r out full-out
            chmod 777 store/local/attempts
            $1 "$ORC" run recipe.yaml --slots 2 --store store --json > again.json
            """;
        // The administrator may write anything; so somebody else runs the job.
        var nobody = Environment.UserName == "root" ? "setpriv --reuid=65534 --regid=65534 --clear-groups" : "";
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());

        (await Orc.RunScriptAsync(workspace.Folder, Script, null, nobody)).Expect(0);

        Assert.Equal($"{Failed}", File.ReadAllText(workspace["full.code"]).Trim());
        ExpectTold(workspace, Read(workspace, "full.json"), "permission is denied. Give this user the right to read and write there", "store/local/attempts");
        await ExpectSoundAsync(workspace, Read(workspace, "again.json"));
    }

    private static void ExpectTold(Workspace workspace, JsonElement report, string told, string path)
    {
        var reason = report.GetProperty("reason").GetString()!;
        Assert.Equal("failed", report.GetProperty("status").GetString());
        Assert.Contains(told, reason, StringComparison.Ordinal);
        Assert.Contains(workspace[path], reason, StringComparison.Ordinal);
        Assert.Contains("run the same command again: nothing that was committed is lost", reason, StringComparison.Ordinal);
        Assert.Contains("run the same command again", File.ReadAllText(workspace["full.txt"]), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", File.ReadAllText(workspace["full.txt"]), StringComparison.Ordinal);
        // A model of those layers that could be solved may be there; nothing half-written may.
        Assert.Equal(s_report, Directory.GetFileSystemEntries(workspace["full-out"]).Select(file => Path.GetFileName(file)).Where(name => name != "model.onnx").Order(StringComparer.Ordinal));
    }

    private static async Task ExpectSoundAsync(Workspace workspace, JsonElement report)
    {
        Assert.Equal("succeeded", report.GetProperty("status").GetString());
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "sound", "--out", "sound-out")).Expect(0);
        Assert.Equal(workspace.Sha256("sound-out/model.onnx"), workspace.Sha256("out/model.onnx"));
    }

    private static JsonElement Read(Workspace workspace, string name) => JsonDocument.Parse(File.ReadAllText(workspace[name])).RootElement;

    private static int Units(JsonElement report, string count) => report.GetProperty("units").GetProperty(count).GetInt32();

    private static string[]? FindMounts()
    {
        foreach (var inside in (string[][])[["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]])
        {
            var folder = Directory.CreateTempSubdirectory("orc-mount-");
            try
            {
                if (Orc.RunScriptAsync(folder.FullName, "mount -t tmpfs -o size=1m tmpfs .", inside).GetAwaiter().GetResult().Code == 0)
                    return inside;
            }
            finally
            {
                folder.Delete();
            }
        }

        return null;
    }
}
