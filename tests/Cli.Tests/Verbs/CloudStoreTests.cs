using System.Text.Json;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Cli.Tests.Verbs;

/// <summary>Verbs on a store in a container, over an emulator: the same results, and clear words where it cannot be opened.</summary>
public sealed class CloudStoreTests(AzuriteFixture azurite) : IClassFixture<AzuriteFixture>, IDisposable
{
    private readonly TestFolder _folder = SampleFolder.Create();

    public void Dispose() => _folder.Dispose();

    [AzuriteFact]
    public async Task A_run_into_a_container_gives_the_bytes_of_a_run_into_a_folder_and_its_store_can_be_looked_into()
    {
        _folder.Write("recipe.yaml", SampleFolder.Recipe());
        WriteKey(azurite.Server.Key);
        var store = azurite.Server.Container("jobs").ToString();

        var (local, _, localError) = await RunAsync("run", "recipe.yaml", "--store", "kept", "--out", "local");
        var (cloud, report, error) = await RunAsync("run", "recipe.yaml", "--store", store, "--store-key-file", "key", "--out", "cloud", "--json");
        var (sound, verified, _) = await RunAsync("verify", "--store", store, "--store-key-file", "key", "--json");
        var (shown, dumped, _) = await RunAsync("dump", "--store", store, "--store-key-file", "key", "--json");
        var (collected, garbage, _) = await RunAsync("gc", "--store", store, "--store-key-file", "key", "--json");

        Assert.True(local == ExitCodes.Success, localError);
        Assert.True(cloud == ExitCodes.Success, error);
        Assert.Equal(File.ReadAllBytes(_folder["local/model.onnx"]), File.ReadAllBytes(_folder["cloud/model.onnx"]));
        Assert.Equal(JsonValueKind.Null, Json(report).GetProperty("estimate").GetProperty("actual").GetProperty("diskBytes").ValueKind);
        Assert.Equal((ExitCodes.Success, true), (sound, Json(verified).GetProperty("sound").GetBoolean()));
        Assert.Equal((ExitCodes.Success, "succeeded"), (shown, Json(dumped).GetProperty("jobs")[0].GetProperty("status").GetString()));
        Assert.Equal((ExitCodes.Success, 0), (collected, Json(garbage).GetProperty("blobs").GetInt32()));
    }

    [AzuriteFact]
    public async Task A_wrong_key_is_refused_before_anything_is_written()
    {
        _folder.Write("recipe.yaml", SampleFolder.Recipe());
        WriteKey(Convert.ToBase64String(new byte[64]));

        var (code, output, error) = await RunAsync("run", "recipe.yaml", "--store", azurite.Server.Container("refused").ToString(), "--store-key-file", "key", "--json");

        Assert.Equal((ExitCodes.WrongInput, "store-refused"), (code, CodeOf(output)));
        Assert.Contains("key", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [AzuriteTheory]
    [InlineData("verify")]
    [InlineData("gc")]
    [InlineData("dump")]
    public async Task A_container_that_is_not_there_is_not_made(string verb)
    {
        WriteKey(azurite.Server.Key);
        string[] arguments = [verb, "--store", azurite.Server.Container("nowhere").ToString(), "--store-key-file", "key", "--json"];

        foreach (var _ in new[] { 1, 2 })
        {
            var (code, output, _) = await RunAsync(arguments);
            Assert.Equal((ExitCodes.WrongInput, "store-not-found"), (code, CodeOf(output)));
        }
    }

    [Theory]
    [InlineData("ftp://host/account/jobs", "store-address-invalid")]
    [InlineData("https://account.blob.core.windows.net", "store-address-invalid")]
    [InlineData("https://account.blob.core.windows.net/a/b", "store-address-invalid")]
    [InlineData("https://account.blob.core.windows.net/Upper", "store-address-invalid")]
    [InlineData("https://account.blob.core.windows.net/jobs?sv=1&sig=topsecret", "store-address-invalid")]
    [InlineData("https://user:topsecret@account.blob.core.windows.net/jobs", "store-address-invalid")]
    [InlineData("http://127.0.0.1:1/jobs", "store-address-invalid")]
    [InlineData("http://127.0.0.1:1/devstoreaccount1/jobs", "store-key-missing")]
    public async Task An_address_that_is_none_is_refused_without_repeating_a_secret(string address, string expected)
    {
        var (code, output, error) = await RunAsync("verify", "--store", address, "--json");

        Assert.Equal((ExitCodes.WrongInput, expected), (code, CodeOf(output)));
        Assert.DoesNotContain("topsecret", output + error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "store-key-invalid")]
    [InlineData("notbase64!", "store-key-invalid")]
    [InlineData("c2hvcnQ=", "store-key-invalid")]
    [InlineData("two\nlines", "store-key-invalid")]
    [InlineData("AccountName=other;AccountKey=AAAA", "store-key-invalid")]
    [InlineData("AccountName=devstoreaccount1;EndpointSuffix=x", "store-key-invalid")]
    [InlineData(null, "store-key-not-found")]
    public async Task A_key_file_that_holds_none_is_refused_without_repeating_it(string? content, string expected)
    {
        if (content is not null)
            WriteKey(content);

        var (code, output, error) = await RunAsync("verify", "--store", "http://127.0.0.1:1/devstoreaccount1/jobs", "--store-key-file", "key", "--json");

        Assert.Equal((ExitCodes.WrongInput, expected), (code, CodeOf(output)));
        if (content is { Length: > 0 })
            Assert.DoesNotContain(content, output + error, StringComparison.Ordinal);
    }

    [AzuriteFact]
    public async Task A_key_that_others_may_read_is_used_with_a_warning()
    {
        WriteKey(azurite.Server.Key, UnixFileMode.OtherRead);

        var (_, _, error) = await RunAsync("verify", "--store", azurite.Server.Container("nowhere").ToString(), "--store-key-file", "key", "--json");

        Assert.Contains("chmod 600", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_for_a_folder_is_refused()
    {
        WriteKey("irrelevant");

        var (code, output, _) = await RunAsync("verify", "--store", "folder", "--store-key-file", "key", "--json");

        Assert.Equal((ExitCodes.WrongInput, "store-key-unused"), (code, CodeOf(output)));
    }

    private void WriteKey(string key, UnixFileMode others = UnixFileMode.None)
    {
        _folder.Write("key", key);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder["key"], UnixFileMode.UserRead | UnixFileMode.UserWrite | others);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var console = new TestConsole(_folder.Path);
        var code = await console.RunAsync(arguments);
        return (code, console.Output, console.Error);
    }

    private static JsonElement Json(string output) => JsonDocument.Parse(output).RootElement;

    private static string? CodeOf(string output) => Json(output).GetProperty("error").GetProperty("code").GetString();
}
