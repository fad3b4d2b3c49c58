namespace Orchestrator.Grains.Tests;

public sealed class ActivationTests
{
    private readonly ConcurrentExclusiveSchedulerPair _turns = new();

    [Fact]
    public async Task A_turn_that_waits_keeps_the_next_one_waiting()
    {
        var activation = new Activation<List<string>>(() => Task.FromResult(new List<string>()), _turns.ExclusiveScheduler);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = activation.TurnAsync(async log =>
        {
            log.Add("first begins");
            await gate.Task;
            log.Add("first ends");
        });
        var second = activation.TurnAsync(log =>
        {
            log.Add("second");
            return Task.CompletedTask;
        });

        Assert.False(second.IsCompleted);
        gate.SetResult();
        await Task.WhenAll(first, second);

        Assert.Equal(["first begins", "first ends", "second"], await activation.TurnAsync(Task.FromResult));
    }

    [Fact]
    public async Task An_interleaving_call_goes_on_beside_a_waiting_turn()
    {
        var activation = new Activation<List<string>>(() => Task.FromResult(new List<string>()), _turns.ExclusiveScheduler);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var turn = activation.TurnAsync(_ => gate.Task);

        Assert.Equal(7, await activation.InterleaveAsync(_ => Task.FromResult(7)));

        Assert.False(turn.IsCompleted);
        gate.SetResult();
        await turn;
    }

    [Fact]
    public async Task Turns_keep_their_order_and_never_run_at_once()
    {
        const int Turns = 500;
        var activation = new Activation<List<int>>(() => Task.FromResult(new List<int>()), _turns.ExclusiveScheduler);
        var inside = 0;

        await Task.WhenAll(Enumerable.Range(0, Turns).Select(i => activation.TurnAsync(async log =>
        {
            Assert.Equal(1, Interlocked.Increment(ref inside));
            await Task.Yield();
            log.Add(i);
            Interlocked.Decrement(ref inside);
        })));

        Assert.Equal(Enumerable.Range(0, Turns), await activation.TurnAsync(Task.FromResult));
    }

    [Fact]
    public async Task A_turn_that_fails_fails_its_caller_only()
    {
        var activation = new Activation<List<int>>(() => Task.FromResult(new List<int>()), _turns.ExclusiveScheduler);

        await Assert.ThrowsAsync<InvalidOperationException>(() => activation.TurnAsync(_ => Task.FromException(new InvalidOperationException("mine"))));

        Assert.Empty(await activation.TurnAsync(Task.FromResult));
    }

    [Fact]
    public async Task The_grain_is_made_once_and_before_its_first_call()
    {
        var made = 0;
        var activation = new Activation<object>(async () =>
        {
            await Task.Yield();
            made++;
            return new object();
        }, _turns.ExclusiveScheduler);

        var grains = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => i % 2 == 0 ? activation.TurnAsync(Task.FromResult) : activation.InterleaveAsync(Task.FromResult)));

        Assert.Equal(1, made);
        Assert.Single(grains.Distinct());
    }

    [Fact]
    public async Task A_grain_that_could_not_be_activated_is_made_anew_at_the_next_call()
    {
        var tries = 0;
        var activation = new Activation<object>(
            () => ++tries == 1 ? Task.FromException<object>(new IOException("The store is away.")) : Task.FromResult(new object()),
            _turns.ExclusiveScheduler);

        await Assert.ThrowsAsync<IOException>(() => activation.TurnAsync(_ => Task.CompletedTask));
        await activation.TurnAsync(_ => Task.CompletedTask);

        Assert.Equal(2, tries);
    }
}
