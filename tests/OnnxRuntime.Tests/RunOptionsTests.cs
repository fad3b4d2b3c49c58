namespace Orchestrator.OnnxRuntime.Tests;

public sealed class RunOptionsTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    /// <summary>Minutes of work if nothing stopped it.</summary>
    private const long EndlessRounds = 1_000_000_000;

    private static readonly TimeSpan s_underWay = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void A_run_under_way_ends_when_its_token_is_cancelled()
    {
        using var session = runtime.Load(ModelBytes.LoopModel(EndlessRounds));
        using var source = new CancellationTokenSource(s_underWay);
        using var options = new RunOptions(source.Token);
        using var x = OrtValue.FromMemory<float>(new float[1], [1]);
        var exception = Assert.Throws<OperationCanceledException>(() => session.Run(["x"], [x], ["y"], options));
        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.IsType<OrtException>(exception.InnerException);
    }

    [Fact]
    public void A_run_with_bindings_ends_when_its_token_is_cancelled()
    {
        using var session = runtime.Load(ModelBytes.LoopModel(EndlessRounds));
        using var source = new CancellationTokenSource(s_underWay);
        using var options = new RunOptions(source.Token);
        using var binding = new IoBinding(session);
        using var x = OrtValue.FromMemory<float>(new float[1], [1]);
        using var memory = MemoryDescription.Cpu();
        binding.BindInput("x", x);
        binding.BindOutput("y", memory);
        Assert.Throws<OperationCanceledException>(() => session.RunWithBinding(binding, options));
    }

    [Fact]
    public void A_cancelled_token_starts_nothing()
    {
        using var session = runtime.Load(ModelBytes.LoopModel(EndlessRounds));
        using var options = new RunOptions(new CancellationToken(canceled: true));
        using var x = OrtValue.FromMemory<float>(new float[1], [1]);
        Assert.Throws<OperationCanceledException>(() => session.Run(["x"], [x], ["y"], options));
    }

    [Fact]
    public void A_run_that_is_not_cancelled_completes()
    {
        using var session = runtime.Load(ModelBytes.LoopModel(3));
        using var source = new CancellationTokenSource();
        using var options = new RunOptions(source.Token);
        options.SetTag("tagged");
        options.SetLogSeverity(LoggingLevel.Fatal);
        using var x = OrtValue.FromMemory<float>(new float[1], [1]);
        using var outputs = session.Run(["x"], [x], ["y"], options);
        Assert.Equal(3, outputs[0].AsSpan<float>()[0]);
    }

    [Fact]
    public void A_config_entry_reaches_the_run()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var options = new RunOptions();
        options.AddConfigEntry("memory.enable_memory_arena_shrinkage", "no-such-arena:0");
        using var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        Assert.Throws<OrtException>(() => session.Run(["x"], [x], ["y"], options));
    }

    [Fact]
    public void Cancelling_after_disposal_does_nothing()
    {
        using var source = new CancellationTokenSource();
        var options = new RunOptions(source.Token);
        options.Dispose();
        options.Dispose();
        source.Cancel();
        Assert.Throws<ObjectDisposedException>(() => options.SetTag("late"));
    }
}
