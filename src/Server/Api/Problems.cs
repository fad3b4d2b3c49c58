using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>Answers every refusal with a <see cref="ProblemBody"/>, whatever refused.</summary>
internal sealed class Problems(RequestDelegate next, ApiParts parts)
{
    private const string RetrySeconds = "1";

    public async Task InvokeAsync(HttpContext http)
    {
        try
        {
            await next(http);
        }
        catch (Exception cause) when (http.RequestAborted.IsCancellationRequested || cause is ConnectionAbortedException or ConnectionResetException)
        {
            // The caller is gone and hears nothing any more.
        }
        catch (Exception) when (http.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            http.Abort();
        }
        catch (RefusedException refused)
        {
            await AnswerAsync(http, StatusOf(refused.Refusal), new ProblemBody(refused.Code, refused.Message, refused.Subject, refused.Remedy));
        }
        catch (BadHttpRequestException wrong)
        {
            var code = wrong.StatusCode == StatusCodes.Status413PayloadTooLarge ? "body-too-large" : "request-invalid";
            await AnswerAsync(http, wrong.StatusCode, new ProblemBody(code, wrong.Message, http.Request.Path, "See /openapi/v1.json."));
        }
        catch (InputException wrong)
        {
            await AnswerAsync(http, StatusCodes.Status409Conflict, new ProblemBody(wrong.Code, wrong.Message, wrong.Subject, wrong.Remedy));
        }
        catch (DamagedBlobException damaged)
        {
            await AnswerAsync(http, StatusCodes.Status409Conflict, new ProblemBody("blob-damaged", damaged.Message, damaged.Blob.Name, "Use `orc retry`: what made it runs again."));
        }
        catch (Exception away) when (away is IOException or UnauthorizedAccessException)
        {
            await AnswerAsync(http, StatusCodes.Status503ServiceUnavailable, new ProblemBody("store-unavailable", away.Message, http.Request.Path, "Ask again in a while."));
        }
        catch (OperationCanceledException)
        {
            await AnswerAsync(http, StatusCodes.Status503ServiceUnavailable, new ProblemBody("stopping", "The server stops or is not the active one any more.", http.Request.Path, "Ask the others."));
        }
#pragma warning disable CA1031 // The last line of defence: a caller gets an answer, whatever went wrong, and the server goes on.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            parts.Fault(fault);
            await AnswerAsync(http, StatusCodes.Status500InternalServerError, new ProblemBody("internal-error", "The server made a mistake.", http.Request.Path, "Report it with the lines of the server's log."));
        }
    }

    private static Task AnswerAsync(HttpContext http, int status, ProblemBody problem)
    {
        http.Response.Clear();
        http.Response.StatusCode = status;
        if (status == StatusCodes.Status401Unauthorized)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        if (status == StatusCodes.Status503ServiceUnavailable)
            http.Response.Headers.RetryAfter = RetrySeconds;
        return http.Response.WriteAsJsonAsync(problem, CanonicalJson.Options, CancellationToken.None);
    }

    private static int StatusOf(Refusal refusal) => refusal switch
    {
        Refusal.Invalid => StatusCodes.Status422UnprocessableEntity,
        Refusal.Unauthenticated => StatusCodes.Status401Unauthorized,
        Refusal.Forbidden => StatusCodes.Status403Forbidden,
        Refusal.NotFound => StatusCodes.Status404NotFound,
        Refusal.Conflict => StatusCodes.Status409Conflict,
        Refusal.TooLarge => StatusCodes.Status413PayloadTooLarge,
        Refusal.Unsupported => StatusCodes.Status501NotImplemented,
        _ => StatusCodes.Status503ServiceUnavailable,
    };
}
