using Orchestrator.Cli.Cluster;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Tests.Cluster;

public sealed class KeyFileTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<string> _warnings = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_key_is_the_one_line_of_its_file()
    {
        var path = Write("\n secret-1 \n\n", UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.Equal("secret-1", KeyFile.Read(path, _warnings.Add));
        Assert.Empty(_warnings);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    public void A_key_that_others_can_read_is_warned_of(UnixFileMode others)
    {
        KeyFile.Read(Write("secret", UnixFileMode.UserRead | others), _warnings.Add);

        Assert.Contains("chmod 600", Assert.Single(_warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two\nkeys")]
    [InlineData("with space")]
    [InlineData("ключ")]
    public void What_holds_no_key_is_refused(string text)
    {
        var wrong = Assert.Throws<InputException>(() => KeyFile.Read(Write(text, UnixFileMode.UserRead), _warnings.Add));

        Assert.Equal("key-file-invalid", wrong.Code);
        Assert.DoesNotContain("keys", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_and_a_huge_file_are_refused()
    {
        Assert.Throws<InputException>(() => KeyFile.Read(_folder["none"], _warnings.Add));
        Assert.Throws<InputException>(() => KeyFile.Read(Write(new string('x', 5000), UnixFileMode.UserRead), _warnings.Add));
    }

    private string Write(string text, UnixFileMode mode)
    {
        var path = _folder.Write($"{Guid.NewGuid():N}.key", text);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, mode);
        return path;
    }
}
