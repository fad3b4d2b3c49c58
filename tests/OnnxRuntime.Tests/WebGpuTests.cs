using Orchestrator.TestKit;

namespace Orchestrator.OnnxRuntime.Tests;

public sealed class WebGpuTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    /// <summary>
    /// Both ends are asserted, since machines differ: with an adapter (a software one will do) the output stays in device memory until
    /// it is asked for; without one the session says so.
    /// </summary>
    [Fact]
    public void WebGpu_computes_in_device_memory_or_says_what_is_missing()
    {
        Session session;
        try
        {
            session = runtime.Load(ModelBytes.AddModel(), options => options.Providers.Add(ExecutionProvider.WebGpu));
        }
        catch (OrtException exception) when (!WebGpuAdapter.IsPromised)
        {
            Assert.Contains("WebGPU", exception.Message, StringComparison.OrdinalIgnoreCase);
            return;
        }

        using (session)
        {
            using var x = OrtValue.FromMemory<float>(new float[] { 1, 2, 3 }, [1, 3]);
            using var outputs = session.Run(["x"], [x], ["y"]);
            Assert.Equal([11f, 22f, 33f], outputs[0].AsSpan<float>().ToArray());
            using var binding = new IoBinding(session);
            using var memory = MemoryDescription.OfDevice("WebGPU_Buf", 0);
            binding.BindInput("x", x);
            binding.BindOutput("y", memory);
            session.RunWithBinding(binding);
            binding.SynchronizeOutputs();
            using var bound = binding.GetOutputs();
            Assert.False(bound[0].IsInCpuMemory);
            Assert.Equal([1L, 3L], bound[0].Shape.ToArray());
            Assert.Throws<InvalidOperationException>(() => bound[0].AsSpan<float>());
        }
    }
}
