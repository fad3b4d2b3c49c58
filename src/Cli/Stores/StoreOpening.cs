using Azure.Identity;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs;
using Spectre.Console;

namespace Orchestrator.Cli.Stores;

/// <summary>The one place that opens stores, whatever they lie in.</summary>
/// <param name="KeyFile">What <c>--store-key-file</c> names; absolute.</param>
internal sealed record StoreOpening(StoreAddress Address, string? KeyFile)
{
    private const UnixFileMode OthersMay = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite;

    /// <summary>Null where tries are not counted.</summary>
    public StoreInstruments? Instruments { get; init; }

    /// <summary>Opens a store to work on, made where there is none. It tries again by itself what failed for a moment.</summary>
    /// <exception cref="InputException">It cannot be opened.</exception>
    public async Task<IBlobStore> OpenAsync(VerbContext context, CancellationToken cancellationToken)
    {
        var surroundings = context.Surroundings;
        if (Address.Folder is { } folder)
            return new RetryingBlobStore(surroundings.Medium(FileBlobStore.Open(folder, surroundings.Clock)), StoreRetryOptions.Default, surroundings.Clock, Random.Shared.NextDouble, Instruments);
        return surroundings.Medium(await ContainerAsync(create: true, context, cancellationToken));
    }

    /// <summary>Opens a store to look into: it must be there, and is not created.</summary>
    /// <exception cref="InputException">It cannot be opened, or <c>store-not-found</c>.</exception>
    public async Task<IBlobStore> OpenExistingAsync(VerbContext context, CancellationToken cancellationToken)
    {
        if (Address.Folder is not { } folder)
            return await ContainerAsync(create: false, context, cancellationToken);
        if (!Directory.Exists(folder))
            throw new InputException("store-not-found", folder, File.Exists(folder) ? "This is a file." : "There is no such folder.", "Give the folder that `orc run` was given as --store.");
        return FileBlobStore.OpenExisting(folder);
    }

    /// <summary>Finds out what can be found out without writing.</summary>
    /// <exception cref="InputException">It could not be opened to work on.</exception>
    public void Check(VerbContext context)
    {
        if (Address.Folder is { } folder)
            FileBlobStore.CheckWritable(folder);
        else
            Credential(context);
    }

    private Task<AzureBlobStore> ContainerAsync(bool create, VerbContext context, CancellationToken cancellationToken) => AzureBlobStore.OpenAsync(
        Address.Container!, Credential(context), new AzureStoreOptions(context.Surroundings.Clock, Random.Shared.NextDouble) { Instruments = Instruments }, create, cancellationToken);

    private StoreCredential Credential(VerbContext context)
    {
        if (KeyFile is not null)
            return StoreCredential.Parse(ReadKey(KeyFile, context), Address.Container!, KeyFile);
        if (Address.Container!.IsHttps)
            return StoreCredential.Of(new DefaultAzureCredential());
        throw new InputException("store-key-missing", Address.ToString(), "An identity's token is never sent without https.", "Give the account's key with --store-key-file, or an https address.");
    }

    private static string ReadKey(string file, VerbContext context)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & OthersMay) != 0)
                context.People.MarkupLineInterpolated($"[yellow]warning[/]: others may read or change '{file}': chmod 600 it");
            return File.ReadAllText(file);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new InputException("store-key-not-found", file, cause.Message, "Give a file that this user may read.", cause);
        }
    }
}
