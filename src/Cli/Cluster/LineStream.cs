using System.Runtime.CompilerServices;
using System.Text.Json;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Cluster;

/// <summary>Answers of a JSON value a line, over as many connections as it takes.</summary>
/// <param name="silence">A connection that says nothing for so long may be dead: it is made anew, which costs nothing where it was not.</param>
internal sealed class LineStream(ServerConnection connection, TimeSpan silence)
{
    /// <summary>Between two connections of which the first gave nothing.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(1);

    /// <param name="isWhole">Asked when a connection ended as it should: is there nothing more to come?</param>
    /// <remarks>A connection after the first starts over: whoever reads has to pass over what it knows.</remarks>
    /// <exception cref="Jobs.InputException">The server refuses.</exception>
    /// <exception cref="ServerFaultException">No server answers any more.</exception>
    public async IAsyncEnumerable<T> ReadAsync<T>(string path, Func<Task<bool>> isWhole, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class
    {
        var heard = connection.Clock.GetTimestamp();
        for (var lost = false; ;)
        {
            using var lines = await OpenAsync(path, cancellationToken);
            var server = connection.Active;
            if (lost)
                connection.Tell($"{server} answers; the job goes on.");
            lost = false;
            var count = 0;
            string? cause = null;
            while (cause is null)
            {
                var (line, end) = await lines.NextAsync<T>(silence, connection.Clock, cancellationToken);
                cause = end;
                if (line is null)
                    continue;
                (heard, count) = (connection.Clock.GetTimestamp(), count + 1);
                yield return line;
            }

            if (cause == Lines.Ended && await isWhole())
                yield break;
            if (cause == Lines.Silent)
                continue;
            lost = true;
            connection.Tell($"The connection to {server} is lost ({cause}); the job is not. Asking for the active server.");
            if (count > 0)
                continue;
            if (connection.Clock.GetElapsedTime(heard) > connection.Patience)
                throw new ServerFaultException("server-away", server.ToString(), $"The server breaks off every answer: {cause}", "Try again later; the job is not touched by this.");
            connection.GoOn();
            await Task.Delay(s_rest, connection.Clock, cancellationToken);
        }
    }

    private Task<Lines> OpenAsync(string path, CancellationToken cancellationToken) => connection.CallAsync(
        ServerRequest.Get(path) with { KeepsResponse = true },
        async (response, timer) => new Lines(response, new StreamReader(await response.Content.ReadAsStreamAsync(timer.Token))), cancellationToken);

    private sealed class Lines(HttpResponseMessage response, StreamReader reader) : IDisposable
    {
        public const string Ended = "it ended";
        public const string Silent = "nothing came";

        /// <returns>A line, or why there is none.</returns>
        public async Task<(T? Line, string? End)> NextAsync<T>(TimeSpan silence, TimeProvider clock, CancellationToken cancellationToken)
            where T : class
        {
            using var timer = new StallTimer(silence, clock, cancellationToken);
            try
            {
                while (await reader.ReadLineAsync(timer.Token) is { } text)
                {
                    if (text.Length > 0)
                        return (JsonSerializer.Deserialize<T>(text, CanonicalJson.Options), null);
                }

                return (null, Ended);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return (null, Silent);
            }
            catch (Exception broken) when (broken is IOException or JsonException)
            {
                return (null, broken.Message.TrimEnd('.'));
            }
        }

        public void Dispose()
        {
            reader.Dispose();
            response.Dispose();
        }
    }
}
