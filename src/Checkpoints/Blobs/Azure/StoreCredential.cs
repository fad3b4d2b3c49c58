using System.Globalization;
using Azure;
using Azure.Core;
using Azure.Storage;
using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>What opens a container: a key, a signature or an identity. Says nothing of itself as text.</summary>
public abstract class StoreCredential
{
    private const int FewestKeyBytes = 32;

    private StoreCredential()
    {
    }

    public static StoreCredential Of(TokenCredential identity) => new Token(identity);

    /// <summary>Reads what <c>--store-key-file</c> holds: an account's key, a connection string or a shared access signature.</summary>
    /// <param name="text">One line.</param>
    /// <param name="file">For messages.</param>
    /// <exception cref="InputException"><c>store-key-invalid</c>.</exception>
    public static StoreCredential Parse(string text, ContainerAddress container, string file)
    {
        text = text.Trim();
        if (text.Length == 0 || text.Contains('\n', StringComparison.Ordinal))
            throw Invalid(file, text.Length == 0 ? "The file is empty." : "The file has several lines.");
        if (text.Contains("sig=", StringComparison.Ordinal) && text.Contains("sv=", StringComparison.Ordinal) && !text.Contains(';', StringComparison.Ordinal))
            return new Signature(new AzureSasCredential(text[(text.IndexOf('?', StringComparison.Ordinal) + 1)..]));
        return text.Contains(';', StringComparison.Ordinal) ? OfConnection(text, container, file) : OfKey(text, container, file);
    }

    public sealed override string ToString() => GetType().Name;

    private static StoreCredential OfConnection(string text, ContainerAddress container, string file)
    {
        var parts = text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(part => part.Split('=', 2)).Where(part => part.Length == 2)
            .DistinctBy(part => part[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(part => part[0], part => part[1], StringComparer.OrdinalIgnoreCase);
        if (parts.TryGetValue("AccountName", out var account) && account != container.Account)
            throw Invalid(file, $"The connection string is for account '{account}', the address for '{container.Account}'.");
        if (parts.TryGetValue("SharedAccessSignature", out var signature))
            return new Signature(new AzureSasCredential(signature.TrimStart('?')));
        return parts.TryGetValue("AccountKey", out var key) ? OfKey(key, container, file) : throw Invalid(file, "The connection string has neither AccountKey nor SharedAccessSignature.");
    }

    private static Key OfKey(string text, ContainerAddress container, string file)
    {
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length < FewestKeyBytes)
            throw Invalid(file, "The file holds neither an account's key, nor a connection string, nor a shared access signature.");
        return new Key(new StorageSharedKeyCredential(container.Account, text));
    }

    private static InputException Invalid(string file, string cause) =>
        new("store-key-invalid", file, cause, "Give a file with one line: the account's key, a connection string or a shared access signature of the container.");

    internal sealed class Key(StorageSharedKeyCredential shared) : StoreCredential
    {
        public StorageSharedKeyCredential Shared { get; } = shared;
    }

    /// <summary>When a shared access signature ends; null where its text does not say.</summary>
    internal static DateTimeOffset? EndOf(string query)
    {
        var end = query.TrimStart('?').Split('&').FirstOrDefault(part => part.StartsWith("se=", StringComparison.Ordinal));
        return end is not null && DateTimeOffset.TryParse(Uri.UnescapeDataString(end[3..]), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
    }

    internal sealed class Signature(AzureSasCredential sas) : StoreCredential
    {
        public AzureSasCredential Sas { get; } = sas;
    }

    internal sealed class Token(TokenCredential identity) : StoreCredential
    {
        public TokenCredential Identity { get; } = new StatingCredential(identity);
    }

    /// <summary>An identity whose failure to sign in is a store's refusal.</summary>
    private sealed class StatingCredential(TokenCredential inner) : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            try
            {
                return inner.GetToken(requestContext, cancellationToken);
            }
            catch (Exception cause) when (cause is not OperationCanceledException)
            {
                throw Refused(cause);
            }
        }

        public override async ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            try
            {
                return await inner.GetTokenAsync(requestContext, cancellationToken);
            }
            catch (Exception cause) when (cause is not OperationCanceledException)
            {
                throw Refused(cause);
            }
        }

        private static StoreAccessException Refused(Exception cause) => new(
            $"No identity could sign in to the store: {cause.Message.Split('\n')[0].TrimEnd('.', '\r')}. Sign in, give this machine an identity, or give a key with --store-key-file.");
    }
}
