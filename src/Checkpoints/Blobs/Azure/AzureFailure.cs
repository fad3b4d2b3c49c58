using System.Net.Sockets;
using Azure;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>What a service answered, in words, with what helps. Its own text is never passed on: it repeats signatures and tokens.</summary>
internal static class AzureFailure
{
    private const string Again = "What is committed is not lost";

    /// <summary>The name is taken, or the version is not the current one.</summary>
    public static bool IsConflict(RequestFailedException failure) => failure switch
    {
        { Status: 412 } => true,
        { Status: 409, ErrorCode: "BlobAlreadyExists" or "ConditionNotMet" or "UnauthorizedBlobOverwrite" } => true,
        // Whoever holds a right to create only is told so.
        { Status: 403, ErrorCode: "UnauthorizedBlobOverwrite" } => true,
        _ => false,
    };

    public static bool IsAbsent(RequestFailedException failure) => failure is { Status: 404, ErrorCode: "BlobNotFound" };

    public static bool IsNoContainer(Exception cause) => cause is RequestFailedException { Status: 404, ErrorCode: "ContainerNotFound" or "ResourceNotFound" };

    public static bool IsRefused(Exception cause) => cause is RequestFailedException { Status: 401 or 403 } or StoreAccessException;

    /// <summary>Nobody is there under the account's address.</summary>
    public static bool IsUnreachable(Exception cause) => cause is RequestFailedException { Status: 0 } or BrokenCircuitException or TimeoutRejectedException;

    /// <param name="subject">The blob or container, without any query.</param>
    /// <param name="ended">When the right that was used ended; null where it has not.</param>
    /// <returns>Null for what is no failure of the store.</returns>
    public static Exception? Of(Exception cause, string subject, DateTimeOffset? ended = null)
    {
        if (cause is StoreException or StoreAccessException)
            return null;
        if (cause is RequestFailedException failed && IsRefused(cause))
            return new StoreAccessException($"The store refused '{subject}': {(ended is null ? Refusal(failed) : $"the signature expired at {ended:u}. Ask for a new one")}. {Again}.{Request(failed)}");
        var (what, remedy) = cause switch
        {
            RequestFailedException { Status: 404, ErrorCode: "ContainerNotFound" or "ResourceNotFound" } => ("there is no such container", "Create it or correct the address"),
            RequestFailedException { Status: 503 or 429 } throttled => ($"the service is busy or throttles ({Code(throttled)})", "Use fewer slots or workers, or ask for a higher limit of the account"),
            RequestFailedException { Status: 0 } lost => ($"no connection: {Connection(lost)}", "Check the address, the network and the service"),
            RequestFailedException other => ($"the service answered {other.Status} {Code(other)}", "Check the account's state"),
            BrokenCircuitException => ("it has failed so often that it is left alone for a while", "Check the network and the service"),
            TimeoutRejectedException slow => ($"no answer within {slow.Timeout.TotalSeconds:0} s", "Check the network and the service"),
            IOException or BrokenBodyException => ($"the connection broke: {cause.Message.TrimEnd('.')}", "Check the network"),
            _ => (null, ""),
        };
        return what is null ? null : new StoreException($"The store failed at '{subject}': {what}. {remedy}. {Again}.{Request(cause as RequestFailedException)}", cause.HResult, null);
    }

    private static string Refusal(RequestFailedException failed) => failed.ErrorCode switch
    {
        "AuthenticationFailed" or "InvalidAuthenticationInfo" => "the key, token or signature is wrong or has expired, or this machine's clock is off. Check --store-key-file, ask for a new token, set the clock",
        "AuthorizationFailure" => "the key or signature is wrong, or the right to do this is missing. Check --store-key-file, the identity's role ('Storage Blob Data Contributor') and the account's firewall",
        "AuthorizationPermissionMismatch" or "InsufficientAccountPermissions" or "AuthorizationResourceTypeMismatch" or "AuthorizationServiceMismatch" =>
            "the right to do this is missing. Give this identity the role 'Storage Blob Data Contributor' on the container, or a signature with the rights that infra/docs/azure.md lists",
        "AuthorizationProtocolMismatch" => "the signature is for https only. Use the account's https address",
        "AuthorizationSourceIPMismatch" => "requests from this address are not allowed. Change the signature or the account's firewall",
        "AccountIsDisabled" => "the account is disabled. Enable it",
        "KeyBasedAuthenticationNotPermitted" => "the account takes no keys. Sign in with an identity instead of --store-key-file",
        "PublicAccessNotPermitted" or "NoAuthenticationInformation" => "no credentials were sent. Give them with --store-key-file",
        var code => $"the service answered {failed.Status} {code}. Check credentials and the account's firewall",
    };

    private static string Code(RequestFailedException failed) => string.IsNullOrEmpty(failed.ErrorCode) ? "without a code" : failed.ErrorCode;

    private static string Connection(Exception cause)
    {
        for (var inner = cause; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return "there is no account of this name (its address is unknown)";
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return "nothing listens there (connection refused)";
                case SocketException socket:
                    return socket.SocketErrorCode.ToString();
                case System.Security.Authentication.AuthenticationException:
                    return "the server's certificate is not trusted";
            }
        }

        return cause.InnerException?.GetType().Name ?? "the request was not answered";
    }

    private static string Request(RequestFailedException? failed) =>
        failed?.GetRawResponse()?.Headers.RequestId is { Length: > 0 } id ? $" (request {id})" : "";
}

/// <summary>The store refuses for want of a right or a valid credential: no later try fares better.</summary>
public sealed class StoreAccessException : UnauthorizedAccessException
{
    internal StoreAccessException(string message)
        : base(message)
    {
    }
}
