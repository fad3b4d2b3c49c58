using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>Where a container is: <c>https://ACCOUNT.blob.core.windows.net/CONTAINER</c>, or <c>http://HOST:PORT/ACCOUNT/CONTAINER</c> of an emulator.</summary>
public sealed record ContainerAddress
{
    private const int ShortestName = 3;
    private const int LongestName = 63;

    private ContainerAddress(Uri service, string account, string container) => (Service, Account, Container) = (service, account, container);

    /// <summary>Of the account's blob service.</summary>
    public Uri Service { get; }

    public string Account { get; }

    public string Container { get; }

    public bool IsHttps => Service.Scheme == Uri.UriSchemeHttps;

    public Uri Uri => new($"{Service.AbsoluteUri.TrimEnd('/')}/{Container}");

    /// <exception cref="InputException"><c>store-address-invalid</c>.</exception>
    public static ContainerAddress Parse(string text)
    {
        // What may hold a secret is not repeated.
        var subject = text.Split('?', '#')[0];
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || (uri.Scheme != Uri.UriSchemeHttps && uri.Scheme != Uri.UriSchemeHttp) || uri.UserInfo.Length > 0)
            throw Invalid(subject.Contains('@', StringComparison.Ordinal) ? "--store" : subject, "This is neither a folder nor the http or https address of a container.");
        if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
            throw Invalid(subject, "The address carries a query. A signature is a secret and has no place on a command line.");
        var segments = uri.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        // An emulator names the account in the path, the cloud in the host's name.
        var inHost = uri.HostNameType == UriHostNameType.Dns && uri.Host.Contains(".blob.", StringComparison.Ordinal);
        if (segments.Length != (inHost ? 1 : 2))
            throw Invalid(subject, inHost ? "The address names no container, or more than one." : "The address of an emulator is http://HOST:PORT/ACCOUNT/CONTAINER.");
        if (!IsContainer(segments[^1]))
            throw Invalid(subject, $"'{segments[^1]}' is no container's name: {ShortestName} to {LongestName} of a-z, 0-9 and single hyphens between them.");
        var service = new Uri(uri.GetLeftPart(UriPartial.Authority) + (inHost ? "/" : $"/{segments[0]}/"));
        return new ContainerAddress(service, inHost ? uri.Host.Split('.')[0] : segments[0], segments[^1]);
    }

    public override string ToString() => Uri.AbsoluteUri;

    private static bool IsContainer(string name) =>
        name.Length is >= ShortestName and <= LongestName && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') &&
        name[0] != '-' && name[^1] != '-' && !name.Contains("--", StringComparison.Ordinal);

    private static InputException Invalid(string subject, string cause) => new(
        "store-address-invalid", subject, cause, "Give a folder, https://ACCOUNT.blob.core.windows.net/CONTAINER, or http://127.0.0.1:10000/devstoreaccount1/CONTAINER, and credentials with --store-key-file.");
}
