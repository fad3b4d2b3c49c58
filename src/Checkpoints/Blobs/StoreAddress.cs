using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>Where a store is: in a folder or in a container.</summary>
public sealed record StoreAddress
{
    private StoreAddress(string? folder, ContainerAddress? container) => (Folder, Container) = (folder, container);

    /// <summary>Absolute; null where it is a container.</summary>
    public string? Folder { get; }

    /// <summary>Null where it is a folder.</summary>
    public ContainerAddress? Container { get; }

    public static StoreAddress InFolder(string path) => new(path, null);

    /// <param name="resolve">Makes a path absolute.</param>
    /// <exception cref="InputException"><c>store-address-invalid</c>.</exception>
    public static StoreAddress Parse(string text, Func<string, string> resolve) =>
        text.Contains("://", StringComparison.Ordinal) ? new StoreAddress(null, ContainerAddress.Parse(text)) : InFolder(resolve(text));

    public override string ToString() => Folder ?? Container!.ToString();
}
