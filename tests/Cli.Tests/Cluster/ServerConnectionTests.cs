using Microsoft.AspNetCore.Http;
using Orchestrator.Cli.Cluster;
using Orchestrator.Jobs;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

public sealed class ServerConnectionTests
{
    private static readonly ServerRequest s_get = ServerRequest.Get(Routes.Jobs);
    private readonly List<string> _told = [];

    [Fact]
    public async Task A_standby_and_an_empty_address_are_passed_over_and_whoever_answered_is_asked_first_next_time()
    {
        await using var standby = await FakeServer.StartAsync(FakeServer.Standby);
        await using var active = await FakeServer.StartAsync(FakeServer.Json("here"));
        using var connection = Connect(0, await FakeServer.NowhereAsync(), standby.Address, active.Address);

        for (var call = 0; call < 2; call++)
            Assert.Equal("\"here\"", await connection.CallAsync(s_get, ReadAsync, CancellationToken.None));

        Assert.Single(standby.Requests);
        Assert.Equal(2, active.Requests.Count);
    }

    [Fact]
    public async Task Where_no_server_is_active_the_call_waits_for_a_take_over_and_says_so()
    {
        var answers = 0;
        await using var server = await FakeServer.StartAsync(context =>
            Interlocked.Increment(ref answers) == 1 ? FakeServer.Standby(context) : FakeServer.WriteAsync(context, 200, "here"));
        using var connection = Connect(30, server.Address);

        Assert.Equal("\"here\"", await connection.CallAsync(s_get, ReadAsync, CancellationToken.None));

        Assert.Contains("trying for 30 s", Assert.Single(_told), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nobody_answers_each_address_and_its_cause_is_named()
    {
        var nowhere = await FakeServer.NowhereAsync();
        await using var standby = await FakeServer.StartAsync(FakeServer.Standby);
        using var connection = Connect(0, nowhere, standby.Address);

        var fault = await Assert.ThrowsAsync<ServerFaultException>(() => connection.CallAsync(s_get, ReadAsync, CancellationToken.None));

        Assert.Equal("server-away", fault.Code);
        Assert.Contains(nowhere, fault.Message, StringComparison.Ordinal);
        Assert.Contains("not the active one", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_active_server_lacks_is_named_and_not_that_others_are_standbys()
    {
        await using var active = await FakeServer.StartAsync(context => FakeServer.RefuseAsync(context, 503, new ProblemBody("store-unavailable", "The store is away.", "store", "Wait.")));
        await using var standby = await FakeServer.StartAsync(FakeServer.Standby);
        using var connection = Connect(0, active.Address, standby.Address);

        var fault = await Assert.ThrowsAsync<ServerFaultException>(() => connection.CallAsync(s_get, ReadAsync, CancellationToken.None));

        Assert.Equal(("store-unavailable", "Wait."), (fault.Code, fault.Remedy));
    }

    [Theory]
    [InlineData(400, "plan-invalid")]
    [InlineData(404, "job-not-found")]
    [InlineData(409, "job-ended")]
    [InlineData(401, "key-unknown")]
    [InlineData(501, "unsupported")]
    public async Task A_refusal_is_wrong_input_in_the_servers_own_words(int status, string code)
    {
        await using var server = await FakeServer.StartAsync(context => FakeServer.RefuseAsync(context, status, new ProblemBody(code, "No.", "this", "That.")));
        using var connection = Connect(30, server.Address);

        var wrong = await Assert.ThrowsAsync<InputException>(() => connection.CallAsync(s_get, ReadAsync, CancellationToken.None));

        Assert.Equal((code, "this", "No.", "That."), (wrong.Code, wrong.Subject, wrong.Message, wrong.Remedy));
        Assert.Single(server.Requests);
    }

    [Theory]
    [InlineData(404, "not-a-server")]
    [InlineData(302, "not-a-server")]
    [InlineData(401, "key-refused")]
    public async Task Another_web_server_is_told_from_ours(int status, string code)
    {
        await using var server = await FakeServer.StartAsync(context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "/elsewhere";
            return context.Response.WriteAsync("<html>Hello</html>");
        });
        using var connection = Connect(30, server.Address);

        Assert.Equal(code, (await Assert.ThrowsAsync<InputException>(() => connection.CallAsync(s_get, ReadAsync, CancellationToken.None))).Code);
    }

    [Fact]
    public async Task What_is_not_repeatable_is_sent_on_after_a_refused_connection_and_a_503_and_not_after_a_lost_answer()
    {
        await using var standby = await FakeServer.StartAsync(FakeServer.Standby);
        await using var lost = await FakeServer.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        await using var other = await FakeServer.StartAsync(FakeServer.Json("done"));
        using var connection = Connect(30, await FakeServer.NowhereAsync(), standby.Address, lost.Address, other.Address);

        var fault = await Assert.ThrowsAsync<ServerFaultException>(
            () => connection.CallAsync(new ServerRequest(HttpMethod.Post, "/v1/once") { IsRepeatable = false }, ReadAsync, CancellationToken.None));

        Assert.Equal("answer-lost", fault.Code);
        Assert.Single(standby.Requests);
        Assert.Empty(other.Requests);
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up()
    {
        await using var mute = await FakeServer.StartAsync(context => new TaskCompletionSource().Task.WaitAsync(context.RequestAborted));
        await using var active = await FakeServer.StartAsync(FakeServer.Json("here"));
        using var connection = Connect(0, mute.Address, active.Address);

        Assert.Equal("\"here\"", await connection.CallAsync(s_get with { Patience = TimeSpan.FromMilliseconds(200) }, ReadAsync, CancellationToken.None));
    }

    [Fact]
    public async Task A_fault_of_the_file_that_is_sent_is_not_taken_for_one_of_the_network()
    {
        await using var server = await FakeServer.StartAsync(async context => await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted));
        using var connection = Connect(30, server.Address);
        var request = new ServerRequest(HttpMethod.Put, "/v1/inputs/x") { Content = _ => new BlobContent(10, (_, _) => throw new FileNotFoundException("It is gone."), _ => { }) };

        Assert.Equal("It is gone.", (await Assert.ThrowsAsync<FileNotFoundException>(() => connection.CallAsync(request, ReadAsync, CancellationToken.None))).Message);
    }

    [Fact]
    public async Task An_upload_that_is_refused_is_not_sent()
    {
        await using var server = await FakeServer.StartAsync(context => FakeServer.RefuseAsync(context, 401, new ProblemBody("key-unknown", "Nobody has this key.", "key", "Use another.")));
        using var connection = Connect(30, server.Address);
        var sent = 0;
        var request = new ServerRequest(HttpMethod.Put, "/v1/inputs/x")
        {
            Content = _ => new BlobContent(1 << 20, (stream, token) => stream.WriteAsync(new byte[1 << 20], token).AsTask(), bytes => sent += bytes),
        };

        Assert.Equal("key-unknown", (await Assert.ThrowsAsync<InputException>(() => connection.CallAsync(request, ReadAsync, CancellationToken.None))).Code);
        Assert.Equal(0, sent);
    }

    [Fact]
    public async Task A_path_of_the_address_and_the_key_go_with_every_request()
    {
        string? key = null;
        await using var server = await FakeServer.StartAsync(context =>
        {
            key = context.Request.Headers.Authorization;
            return FakeServer.WriteAsync(context, 200, "here");
        });
        using var connection = new ServerConnection([new Uri(server.Address + "/orchestrator/")], "secret", TimeSpan.Zero, TimeProvider.System) { Tell = _told.Add };

        await connection.CallAsync(s_get, ReadAsync, CancellationToken.None);

        Assert.Equal("Bearer secret", key);
        Assert.Equal("GET /orchestrator/v1/jobs", Assert.Single(server.Requests));
    }

    private ServerConnection Connect(int patience, params string[] servers) =>
        new([.. servers.Select(server => new Uri(server))], null, TimeSpan.FromSeconds(patience), TimeProvider.System) { Tell = _told.Add };

    private static Task<string> ReadAsync(HttpResponseMessage response, StallTimer timer) => response.Content.ReadAsStringAsync(timer.Token);
}
