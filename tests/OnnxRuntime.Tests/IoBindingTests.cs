namespace Orchestrator.OnnxRuntime.Tests;

public sealed class IoBindingTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    [Fact]
    public void Bound_values_are_read_and_written_in_place_on_every_run()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var binding = new IoBinding(session);
        var (input, output) = (new float[3], new float[3]);
        using var x = OrtValue.FromMemory<float>(input, [1, 3]);
        using var y = OrtValue.FromMemory<float>(output, [1, 3]);
        binding.BindInput("x", x);
        binding.BindOutput("y", y);
        for (var i = 0; i < 3; i++)
        {
            input[0] = i;
            binding.SynchronizeInputs();
            session.RunWithBinding(binding);
            binding.SynchronizeOutputs();
            Assert.Equal(10 + i, output[0]);
        }
    }

    [Fact]
    public void Outputs_of_unknown_shape_are_allocated_by_the_run()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var binding = new IoBinding(session);
        using var memory = MemoryDescription.Cpu();
        Assert.Equal("Cpu", memory.Name);
        using var named = MemoryDescription.OfDevice("Cpu", 0);
        Assert.Equal("Cpu", named.Name);
        for (var rows = 1; rows < 4; rows++)
        {
            binding.BindOutput("y", memory);
            using var x = OrtValue.FromMemory<float>(new float[3 * rows], [rows, 3]);
            binding.BindInput("x", x);
            session.RunWithBinding(binding);
            using var outputs = binding.GetOutputs();
            Assert.Equal([(long)rows, 3], outputs[0].Shape.ToArray());
            Assert.Equal(20, outputs[0].AsSpan<float>()[1]);
        }
    }

    [Fact]
    public void A_bound_value_stays_in_place_after_its_disposal()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var binding = new IoBinding(session);
        using var memory = MemoryDescription.Cpu();
        var array = BindAndDispose(binding);
        binding.BindOutput("y", memory);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(array.IsAlive);
        session.RunWithBinding(binding);
        using (var outputs = binding.GetOutputs())
            Assert.Equal([11f, 22f, 33f], outputs[0].AsSpan<float>().ToArray());
        binding.ClearInputs();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.False(array.IsAlive);
    }

    [Fact]
    public void Cleared_bindings_are_gone()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var binding = new IoBinding(session);
        using var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        using var y = OrtValue.Allocate(ElementType.Float, [1, 3]);
        binding.BindInput("x", x);
        binding.BindOutput("y", y);
        binding.ClearOutputs();
        using (var none = binding.GetOutputs())
            Assert.Empty(none);
        binding.BindOutput("y", y);
        binding.ClearInputs();
        Assert.Throws<OrtException>(() => session.RunWithBinding(binding));
    }

    [Fact]
    public void Unknown_names_memories_and_disposed_objects_are_refused()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        var binding = new IoBinding(session);
        var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        Assert.Throws<OrtException>(() => binding.BindInput("z", x));
        Assert.Throws<OrtException>(() => binding.BindOutput("z", x));
        Assert.Throws<OrtException>(() => MemoryDescription.OfDevice("no-such-memory", 0));
        binding.BindInput("x", x);
        x.Dispose();
        Assert.Throws<ObjectDisposedException>(() => binding.BindInput("x", x));
        Assert.Throws<ObjectDisposedException>(() => x.AsSpan<float>());
        binding.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.RunWithBinding(binding));
        Assert.Throws<ObjectDisposedException>(binding.GetOutputs);
        Assert.Throws<ObjectDisposedException>(binding.ClearInputs);
    }

    private static WeakReference BindAndDispose(IoBinding binding)
    {
        var array = new float[] { 1, 2, 3 };
        using var x = OrtValue.FromMemory<float>(array, [1, 3]);
        binding.BindInput("x", x);
        return new WeakReference(array);
    }
}
