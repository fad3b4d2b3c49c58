using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;

namespace Orchestrator.Cli.Tests.Verbs;

public sealed class ServeVerbTests
{
    [Fact]
    public async Task A_server_serves_until_it_is_asked_to_stop_and_lets_the_next_one_take_over_at_once()
    {
        using var folder = new TestFolder();
        for (var term = 1; term <= 2; term++)
        {
            using var stop = new CancellationTokenSource();
            using var console = new TestConsole(folder.Path) { Interruption = stop.Token };
            var url = $"http://127.0.0.1:{FreePort()}";
            var serving = console.RunAsync("serve", "--store", "store", "--listen", url, "--name", "one", "--json");
            var view = await ActiveAsync(url, serving);
            Assert.Equal(("one", term, url), (view.GetProperty("name").GetString(), view.GetProperty("term").GetInt32(), view.GetProperty("active").GetString()!.TrimEnd('/')));

            await stop.CancelAsync();

            Assert.Equal(ExitCodes.Success, await serving);
            Assert.Equal(term, console.Json.GetProperty("term").GetInt32());
            Assert.Contains("stopped", console.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_with_keys_lets_in_whoever_has_one()
    {
        using var folder = new TestFolder();
        using var made = new TestConsole(folder.Path);
        Assert.Equal(ExitCodes.Success, await made.RunAsync("serve", "--new-key", "tenant:vision", "--json"));
        folder.Write("keys.txt", made.Json.GetProperty("line").GetString()!);
        using var stop = new CancellationTokenSource();
        using var console = new TestConsole(folder.Path) { Interruption = stop.Token };
        var url = $"http://127.0.0.1:{FreePort()}";
        var serving = console.RunAsync("serve", "--store", "store", "--listen", url, "--keys", "keys.txt");

        var view = await ActiveAsync(url, serving, made.Json.GetProperty("key").GetString());
        using var stranger = new HttpClient();

        Assert.Equal("active", view.GetProperty("role").GetString());
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await stranger.GetAsync($"{url}/v1/server")).StatusCode);
        await stop.CancelAsync();
        Assert.Equal(ExitCodes.Success, await serving);
    }

    [Theory]
    [InlineData("keys-missing", "--listen", "http://0.0.0.0:7070", "--address", "http://10.0.0.4:7070")]
    [InlineData("address-missing", "--listen", "http://0.0.0.0:7070")]
    [InlineData("url-invalid", "--listen", "ftp://127.0.0.1:7070")]
    [InlineData("url-invalid", "--listen", "http://127.0.0.1:7070/path")]
    [InlineData("keys-not-found", "--keys", "nowhere.txt")]
    [InlineData("key-invalid", "--new-key", "admin:me")]
    [InlineData("keys-invalid", "--new-key", "tenant:cluster")]
    public async Task Wrong_options_are_told_before_anything_is_written(string code, params string[] options)
    {
        using var folder = new TestFolder();
        using var console = new TestConsole(folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(["serve", "--store", "store", .. options, "--json"]));

        Assert.Equal(code, console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Empty(folder.Entries);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_told()
    {
        using var folder = new TestFolder();
        using var taken = new TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        using var console = new TestConsole(folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync("serve", "--store", "store", "--listen", $"http://{taken.LocalEndpoint}", "--json"));

        Assert.Equal("listen-failed", console.Json.GetProperty("error").GetProperty("code").GetString());
    }

    /// <summary>What the server says of itself once it is the active one.</summary>
    private static async Task<JsonElement> ActiveAsync(string url, Task<int> serving, string? key = null)
    {
        using var client = new HttpClient();
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await tick.WaitForNextTickAsync(patience.Token))
        {
            Assert.False(serving.IsCompleted, "the server stopped");
            try
            {
                var view = await client.GetFromJsonAsync<JsonElement>($"{url}/v1/server", patience.Token);
                if (view.GetProperty("role").GetString() == "active")
                    return view;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
        }

        throw new InvalidOperationException("no more ticks");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
