using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.World;

namespace Orchestrator.Cli.Simulating.Faults;

/// <summary>A process's way to the store: every operation takes time and may meet a fault.</summary>
internal sealed class SimulatedStoreLink(SimulatedWorld world, SimulatedProcess process, SimulatedTruth truth, FaultPlan faults) : IBlobStore
{
    /// <summary>After it a caller without an answer gives up.</summary>
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    private readonly Dice _pace = new(0, process.Name);

    /// <summary>Every operation fails while it is set: the store is away.</summary>
    public bool IsCut { get; set; }

    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, truth => truth.ReadAsync(name, CancellationToken.None), repeatable: true);

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, truth => truth.OpenReadAsync(name, CancellationToken.None), repeatable: true);

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        RunAsync("create", name, truth => truth.CreateAsync(name, content, CancellationToken.None), repeatable: true);

    public async Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        // The caller's part first, on the caller's side.
        using var content = new MemoryStream();
        await write(content, cancellationToken);
        return await CreateAsync(name, content.ToArray(), cancellationToken);
    }

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) =>
        RunAsync("replace", name, truth => truth.ReplaceAsync(name, content, etag, CancellationToken.None), repeatable: true);

    // A delete that is carried out again or late could hit a later blob of that name; stores offer no condition against it, so no
    // name that may be used again is ever deleted on time-out alone, and the network of this world does not repeat deletes either.
    public Task DeleteAsync(string name, CancellationToken cancellationToken) => RunAsync(
        "delete",
        name,
        async truth =>
        {
            await truth.DeleteAsync(name, CancellationToken.None);
            return true;
        },
        repeatable: false);

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var entry in await RunAsync("list", prefix, truth => ListAllAsync(truth, prefix), repeatable: true))
            yield return entry;
    }

    private static async Task<List<BlobEntry>> ListAllAsync(IBlobStore truth, string prefix)
    {
        var entries = new List<BlobEntry>();
        await foreach (var entry in truth.ListAsync(prefix, CancellationToken.None))
            entries.Add(entry);
        return entries;
    }

    private Task<T> RunAsync<T>(string operation, string name, Func<IBlobStore, Task<T>> operate, bool repeatable)
    {
        var asked = world.Now;
        Task<T> CarryOut() => operate(truth.For(process, asked));
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var fault = IsCut ? Fault.Failed : faults.Next($"{process.Name}/{operation}");
        if (!repeatable && fault is Fault.Late or Fault.Duplicated)
            fault = Fault.AnswerLost;
        if (fault != Fault.None)
            world.Trace.Note(world.Now, process.Name, $"{operation} {name}: {fault}");
        var dice = new Dice(0, $"{name}{operation}");
        switch (fault)
        {
            case Fault.Failed:
                world.After(Pace(), () => answer.TrySetException(new IOException($"'{name}': the store failed ({operation}).")));
                break;
            case Fault.Lost:
                TimeOut(answer, operation, name);
                break;
            case Fault.AnswerLost:
                world.After(Pace(), () => CarryOut());
                TimeOut(answer, operation, name);
                break;
            case Fault.Late:
                TimeOut(answer, operation, name);
                world.After(s_timeout + dice.Between(0, 60), () => CarryOut());
                break;
            default:
                world.After(fault == Fault.Delayed ? dice.Between(0.5, 9) : Pace(), () => Answer(answer, CarryOut()));
                if (fault == Fault.Duplicated)
                    world.After(dice.Between(0.1, 60), () => CarryOut());
                break;
        }

        return answer.Task;
    }

    private TimeSpan Pace() => _pace.Between(0.001, 0.02);

    private void TimeOut<T>(TaskCompletionSource<T> answer, string operation, string name) =>
        world.After(s_timeout, () => answer.TrySetException(new IOException($"'{name}': the store did not answer ({operation}).")));

    private static void Answer<T>(TaskCompletionSource<T> answer, Task<T> result)
    {
        if (result.IsFaulted)
            answer.TrySetException(result.Exception.InnerException!);
        else
            answer.TrySetResult(result.GetAwaiter().GetResult());
    }
}
