using System.Diagnostics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Orchestrator.Cli.Telemetry;

/// <summary>How lines of the log look on standard error.</summary>
internal enum LogFormat
{
    Text = 1,

    /// <summary>A JSON object a line.</summary>
    Json = 2,
}

/// <summary>Writes the log line by line to where the program's errors go.</summary>
internal sealed class LineLogger(TextWriter target, LogFormat format, TimeProvider clock) : ILoggerProvider
{
    private const string Template = "{OriginalFormat}";

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lock _lock = new();

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void Dispose()
    {
        // The target belongs to the caller.
    }

    private void Write(string line)
    {
        lock (_lock)
            target.WriteLine(line);
    }

    private sealed class Category(LineLogger log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var message = formatter(state, exception);
            log.Write(log.Format == LogFormat.Json ? Json(logLevel, eventId, message, state as IReadOnlyList<KeyValuePair<string, object?>> ?? [], exception) : Text(logLevel, message, exception));
        }

        private string Text(LogLevel level, string message, Exception? exception)
        {
            var word = level switch
            {
                LogLevel.Warning => "warning: ",
                LogLevel.Error or LogLevel.Critical => "error: ",
                _ => "",
            };
            return $"{log.Clock.GetUtcNow():HH:mm:ss} {word}{message}{(exception is null ? "" : $"\n{exception}")}";
        }

        private string Json(LogLevel level, EventId id, string message, IReadOnlyList<KeyValuePair<string, object?>> fields, Exception? exception)
        {
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer, s_json))
            {
                json.WriteStartObject();
                json.WriteString("time", log.Clock.GetUtcNow());
                json.WriteString("level", level.ToString().ToLowerInvariant());
                json.WriteString("category", name);
                json.WriteNumber("event", id.Id);
                json.WriteString("message", message);
                if (Activity.Current is { } span)
                {
                    json.WriteString("trace", span.TraceId.ToHexString());
                    json.WriteString("span", span.SpanId.ToHexString());
                }

                foreach (var (field, value) in fields.Where(f => f.Key != Template))
                    json.WriteString($"field.{field}", value?.ToString());
                if (exception is not null)
                    json.WriteString("exception", exception.ToString());
                json.WriteEndObject();
            }

            return Encoding.UTF8.GetString(buffer.ToArray());
        }
    }

    private LogFormat Format => format;

    private TimeProvider Clock => clock;
}
