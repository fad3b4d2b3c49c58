using System.Buffers;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>Models and data in, models out: streamed, never whole in memory, verified on the way.</summary>
internal sealed class BlobEndpoints(ApiParts parts)
{
    private const int Buffer = 1 << 18;
    private const int DigestLength = 64;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.On(HttpMethods.Put, Routes.Inputs + "/{sha256}", PutAsync).Answers("putInput", "Puts a model, weights or data under their SHA-256; what is there already is verified only.").Accepts<Stream>("application/octet-stream").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Head, Routes.Inputs + "/{sha256}", HeadAsync).Answers("headInput", "Whether an input is there and sound: 204, or 404.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Model("{id}"), ModelAsync).AnswersBytes("jobModel", "The best valid model of an ended job; ?data=true its large weights.").WithMetadata(Access.Tenants);
    }

    private async Task PutAsync(HttpContext http, string sha256)
    {
        var tenant = Expect(http, sha256);
        if (http.Request.ContentLength is not { } length)
            throw new RefusedException(Refusal.Invalid, "length-missing", sha256, "The request does not say how long the input is.", "Send Content-Length.");
        Requests.Limit(http, parts.MostInputBytes);
        var body = new OnceReadBody(http.Request.Body, sha256, length);
        try
        {
            await parts.Tensors.ImportAsync(tenant, sha256, length, body.CopyAsync, http.RequestAborted);
        }
        catch (Exception) when (body.Refused is not null)
        {
            throw body.Refused;
        }

        http.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task HeadAsync(HttpContext http, string sha256)
    {
        var blob = new BlobRef(BlobNames.Input(Expect(http, sha256), sha256), sha256, 0);
        try
        {
            await parts.Tensors.CopyAsync(blob, Stream.Null, http.RequestAborted);
            http.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        catch (DamagedBlobException)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
        }
    }

    private async Task ModelAsync(HttpContext http, string id, bool data = false)
    {
        var blob = await parts.Node.Active().Jobs.ModelAsync(AccessGate.TenantOf(http), id, data, http.RequestAborted);
        http.Response.ContentType = "application/octet-stream";
        http.Response.ContentLength = blob.Length;
        http.Response.Headers.ETag = $"\"{blob.Sha256}\"";
        // A blob that turns out to be damaged at its end breaks the answer off; whoever fetches it compares the digest.
        await parts.Tensors.CopyAsync(blob, http.Response.Body, http.RequestAborted);
    }

    /// <returns>The caller's tenant.</returns>
    private string Expect(HttpContext http, string sha256)
    {
        _ = parts.Node.Active();
        return sha256.Length == DigestLength && sha256.All(char.IsAsciiHexDigitLower)
            ? AccessGate.TenantOf(http)
            : throw new RefusedException(Refusal.Invalid, "digest-invalid", sha256, "An input's name is its SHA-256 in 64 lower-case hex digits.", "Compute it with sha256sum.");
    }

    /// <summary>A request's body, which can be read once only: a store that asks for it again is told to give up.</summary>
    private sealed class OnceReadBody(Stream body, string sha256, long length)
    {
        private bool _isRead;

        /// <summary>Why the input was not taken; null where the body is not to blame.</summary>
        public RefusedException? Refused { get; private set; }

        public async Task CopyAsync(Stream target, CancellationToken cancellationToken)
        {
            if (_isRead)
                throw Refuse(Refusal.Unavailable, "store-unavailable", "The store failed while the input was written.", "Send it again.");
            _isRead = true;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = ArrayPool<byte>.Shared.Rent(Buffer);
            try
            {
                var copied = 0L;
                while (await body.ReadAsync(buffer.AsMemory(), cancellationToken) is > 0 and var read)
                {
                    hash.AppendData(buffer, 0, read);
                    await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                    copied += read;
                }

                if (copied != length || Convert.ToHexStringLower(hash.GetHashAndReset()) != sha256)
                    throw Refuse(Refusal.Invalid, "digest-mismatch", "What was sent does not have this SHA-256.", "The file may have changed while it was sent: send it again under its digest.");
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        private RefusedException Refuse(Refusal refusal, string code, string message, string remedy) => Refused = new(refusal, code, sha256, message, remedy);
    }
}
