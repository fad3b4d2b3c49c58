using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime.Tests;

public sealed class SessionOptionsTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    [Fact]
    public void Options_reach_the_session()
    {
        var one = LogOfSessionStart(new SessionOptions { IntraOpThreads = 1, DeterministicCompute = true, OptimizationLevel = GraphOptimizationLevel.Basic });
        Assert.Contains("intra_op_param:OrtThreadPoolParams { thread_pool_size: 1 ", one, StringComparison.Ordinal);
        Assert.Contains("use_deterministic_compute:1", one, StringComparison.Ordinal);
        Assert.Contains("graph_optimization_level:1", one, StringComparison.Ordinal);
        Assert.Contains("enable_mem_pattern:1", one, StringComparison.Ordinal);
        Assert.Contains("enable_cpu_mem_arena:1", one, StringComparison.Ordinal);
        Assert.Contains("execution_mode:0", one, StringComparison.Ordinal);

        var other = LogOfSessionStart(new SessionOptions
        {
            IntraOpThreads = 2,
            InterOpThreads = 3,
            DeterministicCompute = false,
            OptimizationLevel = GraphOptimizationLevel.None,
            MemoryPattern = false,
            CpuMemoryArena = false,
            ConfigEntries = { ["session.intra_op.allow_spinning"] = "0" },
        });
        Assert.Contains("intra_op_param:OrtThreadPoolParams { thread_pool_size: 2 ", other, StringComparison.Ordinal);
        Assert.Contains("inter_op_param:OrtThreadPoolParams { thread_pool_size: 3 ", other, StringComparison.Ordinal);
        Assert.Contains("use_deterministic_compute:0", other, StringComparison.Ordinal);
        Assert.Contains("graph_optimization_level:0", other, StringComparison.Ordinal);
        Assert.Contains("enable_mem_pattern:0", other, StringComparison.Ordinal);
        Assert.Contains("enable_cpu_mem_arena:0", other, StringComparison.Ordinal);
        Assert.Contains("execution_mode:1", other, StringComparison.Ordinal);
        Assert.Contains("session.intra_op.allow_spinning: 0", other, StringComparison.Ordinal);
    }

    [Fact]
    public void The_optimized_model_is_written_where_asked()
    {
        var folder = Directory.CreateTempSubdirectory("ort-");
        try
        {
            var path = Path.Combine(folder.FullName, "optimized ü.onnx");
            using (runtime.Load(ModelBytes.AddModel(), options => options.OptimizedModelPath = path))
                Assert.True(File.Exists(path));
            using var again = runtime.Load(File.ReadAllBytes(path));
            Assert.Equal("y", again.Outputs[0].Name);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_free_dimension_can_be_fixed()
    {
        using var session = runtime.Load(ModelBytes.AddModel(), options => options.FreeDimensions["batch"] = 4);
        Assert.Equal([4, 3], session.Inputs[0].Shape);
    }

    [Fact]
    public void An_unknown_provider_is_refused_by_name()
    {
        var exception = Assert.Throws<OrtException>(() => runtime.Load(
            ModelBytes.AddModel(), options => options.Providers.Add(new ExecutionProvider("NoSuchDevice", new Dictionary<string, string> { ["a"] = "b" }))));
        Assert.Contains("NoSuchDevice", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cuda_options_are_read_by_their_own_call()
    {
        var exception = Record.Exception(() => runtime.Load(ModelBytes.AddModel(), options => options.Providers.Add(ExecutionProvider.Cuda(0))).Dispose());
        if (OrtEnvironment.AvailableProviders.Contains("CUDAExecutionProvider"))
            Assert.True(exception is null or OrtException, exception?.Message);
        else
            Assert.Contains("CUDA", Assert.IsType<OrtException>(exception).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_config_entry_is_refused() =>
        Assert.Equal(OrtErrorCode.InvalidArgument, Assert.Throws<OrtException>(() => runtime.Load(ModelBytes.AddModel(), options => options.ConfigEntries[""] = "1")).Code);

    /// <summary>The runtime logs all options of a session when it starts; they can be read back nowhere else.</summary>
    private unsafe string LogOfSessionStart(SessionOptions options)
    {
        options.LogSeverity = LoggingLevel.Verbose;
        var lines = new List<string>();
        var target = GCHandle.Alloc(lines);
        try
        {
            using var handle = options.CreateHandle();
            using var scope = new CallScope();
            var status = ((delegate* unmanaged<nint, delegate* unmanaged<nint, int, byte*, byte*, byte*, byte*, void>, nint, nint>)OrtLibrary.Table[(int)OrtFunction.SetUserLoggingFunction])(
                scope.Use(handle), &Collect, GCHandle.ToIntPtr(target));
            Assert.Equal(0, status);
            fixed (byte* model = ModelBytes.AddModel())
            {
                using var session = new SessionHandle(
                    OrtApi.CreateSessionFromArray(scope.Use(runtime.Environment.Handle), model, (nuint)ModelBytes.AddModel().Length, scope.Use(handle)),
                    runtime.Environment.Handle, [], []);
            }
        }
        finally
        {
            target.Free();
        }

        return string.Join('\n', lines);
    }

    [UnmanagedCallersOnly]
    private static unsafe void Collect(nint target, int severity, byte* category, byte* id, byte* location, byte* message)
    {
        if (GCHandle.FromIntPtr(target).Target is List<string> lines)
        {
            lock (lines)
                lines.Add(Marshal.PtrToStringUTF8((nint)message) ?? "");
        }
    }
}
