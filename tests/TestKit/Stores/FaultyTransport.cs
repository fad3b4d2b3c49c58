using Azure;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Orchestrator.TestKit.Stores;

/// <summary>What happens to a request of a <see cref="FaultyTransport"/>.</summary>
public enum RequestFault
{
    None,

    /// <summary>It never arrives.</summary>
    Fail,

    /// <summary>It is carried out, and its answer never arrives.</summary>
    LoseAnswer,

    /// <summary>The service is busy and says when to come back.</summary>
    Throttle,

    /// <summary>The answer breaks off in the middle of its body.</summary>
    BreakBody,

    /// <summary>One bit of the answer's body is wrong.</summary>
    DamageBody,
}

/// <summary>A network in front of a service that fails as a function of the request says.</summary>
/// <param name="inner">The service.</param>
/// <param name="fault">Gets the number of the request and itself.</param>
public sealed class FaultyTransport(HttpPipelineTransport inner, Func<int, Request, RequestFault> fault) : HttpPipelineTransport
{
    private int _requests;

    /// <summary>Seconds that a busy service asks to wait.</summary>
    public int RetryAfter { get; init; }

    public int Requests => Volatile.Read(ref _requests);

    public override Request CreateRequest() => inner.CreateRequest();

    public override void Process(HttpMessage message) => throw new NotSupportedException("Stores are asynchronous.");

    public override async ValueTask ProcessAsync(HttpMessage message)
    {
        var number = Interlocked.Increment(ref _requests) - 1;
        var happens = fault(number, message.Request);
        if (happens == RequestFault.Fail)
            throw Lost(number);
        if (happens == RequestFault.Throttle)
        {
            message.Response = new CannedResponse(503, "", ("x-ms-error-code", "ServerBusy"), ("Retry-After", $"{RetryAfter}"));
            return;
        }

        await inner.ProcessAsync(message);
        switch (happens)
        {
            case RequestFault.LoseAnswer:
                message.Response.Dispose();
                throw Lost(number);
            case RequestFault.BreakBody:
                message.Response.ContentStream = new BreakingStream(message.Response.ContentStream!, (message.Response.Headers.ContentLength ?? 0) / 2);
                break;
            case RequestFault.DamageBody:
                var body = new MemoryStream();
                await message.Response.ContentStream!.CopyToAsync(body);
                body.GetBuffer()[body.Length / 2] ^= 1;
                body.Position = 0;
                message.Response.ContentStream = body;
                break;
        }
    }

    private static RequestFailedException Lost(int number) => new($"Request {number} was lost.");

    private sealed class BreakingStream(Stream inner, long after) : Stream
    {
        private long _left = after;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (_left <= 0)
                throw new IOException("The connection was reset.");
            var read = inner.Read(buffer, offset, (int)Math.Min(count, _left));
            _left -= read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>A service that answers every request as a function says.</summary>
public sealed class CannedTransport(Func<Request, Response> answer) : HttpPipelineTransport
{
    public override Request CreateRequest() => HttpClientTransport.Shared.CreateRequest();

    public override void Process(HttpMessage message) => message.Response = answer(message.Request);

    public override ValueTask ProcessAsync(HttpMessage message)
    {
        Process(message);
        return ValueTask.CompletedTask;
    }
}

/// <summary>An answer made up.</summary>
public sealed class CannedResponse : Response
{
    private readonly Dictionary<string, string> _headers;

    public CannedResponse(int status, string body, params (string Name, string Value)[] headers)
    {
        Status = status;
        ContentStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(body));
        _headers = headers.ToDictionary(h => h.Name, h => h.Value, StringComparer.OrdinalIgnoreCase);
    }

    public override int Status { get; }

    public override string ReasonPhrase => "";

    public override Stream? ContentStream { get; set; }

    public override string ClientRequestId { get; set; } = "";

    public override void Dispose()
    {
    }

    protected override bool TryGetHeader(string name, out string value) => _headers.TryGetValue(name, out value!);

    protected override bool TryGetHeaderValues(string name, out IEnumerable<string> values)
    {
        var found = _headers.TryGetValue(name, out var value);
        values = found ? [value!] : [];
        return found;
    }

    protected override bool ContainsHeader(string name) => _headers.ContainsKey(name);

    protected override IEnumerable<HttpHeader> EnumerateHeaders() => _headers.Select(h => new HttpHeader(h.Key, h.Value));
}
