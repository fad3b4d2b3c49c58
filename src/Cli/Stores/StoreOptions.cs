using System.CommandLine;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Stores;

/// <summary>The options of a verb that say which store and what opens it.</summary>
internal sealed class StoreOptions
{
    private const string Addresses = "a folder, or https://ACCOUNT.blob.core.windows.net/CONTAINER";

    private StoreOptions(string description, bool required) => Store = new Option<string?>("--store") { Description = description, HelpName = "STORE", Required = required };

    public Option<string?> Store { get; }

    public Option<string?> KeyFile { get; } = new("--store-key-file")
    {
        Description = "File with the account's key, a connection string or a shared access signature; default: this machine's identity",
        HelpName = "FILE",
    };

    /// <param name="description">What it is to the verb; told when it is missing by the verb itself.</param>
    public static StoreOptions Of(string description) => new($"{description}: {Addresses}", required: false);

    public static StoreOptions Required() => new($"The store: {Addresses}", required: true);

    /// <param name="otherwise">What is used where none is given.</param>
    public static StoreOptions Optional(string otherwise) => new($"Store of the committed work: {Addresses}; default {otherwise}", required: false);

    /// <summary>Null where none is given.</summary>
    /// <exception cref="InputException"><c>store-address-invalid</c>, <c>store-key-unused</c>.</exception>
    public StoreOpening? Find(ParseResult parsed, Surroundings surroundings)
    {
        var keyFile = parsed.GetValue(KeyFile) is { } file ? surroundings.Resolve(file) : null;
        var address = parsed.GetValue(Store) is { } text ? StoreAddress.Parse(text, surroundings.Resolve) : null;
        if (keyFile is not null && address?.Container is null)
            throw new InputException("store-key-unused", "--store-key-file", "A store in a folder takes no key.", "Leave --store-key-file out, or give the address of a container as --store.");
        return address is null ? null : new StoreOpening(address, keyFile);
    }

    /// <exception cref="InputException"><c>store-address-invalid</c>, <c>store-key-unused</c>.</exception>
    public StoreOpening Get(ParseResult parsed, Surroundings surroundings) => Find(parsed, surroundings)!;
}
