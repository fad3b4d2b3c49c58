namespace Orchestrator.Cli.Tests.Serving;

/// <summary>How servers become one cluster: what is asked wrongly is told before anything is made.</summary>
public sealed class ClusterOptionTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--cluster raft", "--cluster")]
    [InlineData("--cluster postgres", "--database-file")]
    [InlineData("--cluster localhost --database-file db.txt", "--database-file")]
    [InlineData("--first-silo 127.0.0.1:1", "--first-silo")]
    [InlineData("--cluster localhost --silo here", "--silo")]
    [InlineData("--cluster localhost --silo 127.0.0.1", "--silo")]
    public async Task Options_that_contradict_each_other_are_refused(string options, string subject)
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(["serve", "--store", _folder["store"], .. options.Split(' ')]));

        Assert.Contains(subject, console.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["store"]));
    }

    [Fact]
    public async Task A_database_file_that_is_not_there_is_named()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync("serve", "--store", _folder["store"], "--cluster", "postgres", "--database-file", _folder["none.txt"]));

        // Without Orleans in the build the cluster is what is missing.
        Assert.Matches("none.txt|built without Orleans", console.Error);
        Assert.False(Directory.Exists(_folder["store"]));
    }
}
