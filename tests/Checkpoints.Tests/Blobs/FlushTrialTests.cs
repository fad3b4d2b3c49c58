using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Tests.Blobs;

public sealed class FlushTrialTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_folder_that_is_not_there_yet_is_measured_above_it_and_nothing_is_left()
    {
        var trial = FlushTrial.Of(Path.Combine(_folder.FullName, "not", "there"), TimeProvider.System);

        Assert.NotNull(trial);
        Assert.True(trial.Seconds > 0 && double.IsFinite(trial.Seconds));
        Assert.True(trial.BytesPerSecond > 0 && double.IsFinite(trial.BytesPerSecond));
        Assert.Empty(_folder.EnumerateFileSystemInfos());
    }

    [Fact]
    public void A_file_in_the_place_of_a_folder_is_no_obstacle_to_measuring_its_volume()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "content");

        Assert.NotNull(FlushTrial.Of(Path.Combine(file, "store"), TimeProvider.System));
        Assert.Equal("content", File.ReadAllText(file));
        Assert.Single(_folder.EnumerateFileSystemInfos());
    }
}
