namespace Orchestrator.OnnxRuntime.Tests;

public sealed class SessionTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    private static readonly string[] s_x = ["x"];
    private static readonly string[] s_y = ["y"];

    [Fact]
    public void Inputs_and_outputs_are_described()
    {
        using var session = runtime.Load(ModelBytes.Model(ModelBytes.Graph(
            [ModelBytes.Node("Cast", ["x"], ["y"], ModelBytes.NumberAttribute("to", (long)ElementType.Int64))],
            [ModelBytes.Value("x", ElementType.Float, "batch", 3, "")],
            [ModelBytes.Value("y", ElementType.Int64, "batch", 3, "")])));
        var input = Assert.Single(session.Inputs);
        Assert.Equal("x", input.Name);
        Assert.Equal(ElementType.Float, input.ElementType);
        Assert.Equal([-1, 3, -1], input.Shape);
        Assert.Equal(["batch", "", ""], input.DimensionNames);
        var output = Assert.Single(session.Outputs);
        Assert.Equal("y", output.Name);
        Assert.Equal(ElementType.Int64, output.ElementType);
    }

    [Fact]
    public void A_run_computes_the_outputs_asked_for()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var x = OrtValue.FromMemory<float>(new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);
        using var outputs = session.Run(s_x, [x], s_y);
        var y = Assert.Single(outputs);
        Assert.Equal([2L, 3L], y.Shape.ToArray());
        Assert.Equal(ElementType.Float, y.ElementType);
        Assert.Equal([11f, 22f, 33f, 14f, 25f, 36f], y.AsSpan<float>().ToArray());
    }

    [Fact]
    public void A_model_loads_from_a_file_whose_name_is_not_ascii()
    {
        var folder = Directory.CreateTempSubdirectory("ört-");
        try
        {
            var path = Path.Combine(folder.FullName, "Übung ✓.onnx");
            File.WriteAllBytes(path, ModelBytes.AddModel());
            using var session = Session.FromFile(runtime.Environment, path, new SessionOptions());
            Assert.Equal("x", session.Inputs[0].Name);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        var path = Path.Combine(Path.GetTempPath(), "no-such-model.onnx");
        var exception = Assert.Throws<OrtException>(() => Session.FromFile(runtime.Environment, path, new SessionOptions()));
        Assert.Equal(OrtErrorCode.NoSuchFile, exception.Code);
        Assert.Contains("no-such-model.onnx", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_model_are_refused()
    {
        Assert.Equal(OrtErrorCode.InvalidProtobuf, Assert.Throws<OrtException>(() => runtime.Load([1, 2, 3, 4])).Code);
        Assert.Throws<OrtException>(() => runtime.Load([]));
    }

    [Fact]
    public void A_graph_with_an_unknown_operator_is_refused()
    {
        var model = ModelBytes.Model(ModelBytes.Graph(
            [ModelBytes.Node("NoSuchOperator", ["x"], ["y"])], [ModelBytes.Value("x", ElementType.Float, 1)], [ModelBytes.Value("y", ElementType.Float, 1)]));
        Assert.Contains("NoSuchOperator", Assert.Throws<OrtException>(() => runtime.Load(model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_shape_type_or_name_is_an_invalid_argument()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        using var narrow = OrtValue.FromMemory<float>(new float[2], [1, 2]);
        using var whole = OrtValue.FromMemory<int>(new int[3], [1, 3]);
        using var right = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        Assert.Equal(OrtErrorCode.InvalidArgument, Assert.Throws<OrtException>(() => session.Run(s_x, [narrow], s_y)).Code);
        Assert.Equal(OrtErrorCode.InvalidArgument, Assert.Throws<OrtException>(() => session.Run(s_x, [whole], s_y)).Code);
        Assert.Equal(OrtErrorCode.InvalidArgument, Assert.Throws<OrtException>(() => session.Run(["z"], [right], s_y)).Code);
        Assert.Equal(OrtErrorCode.InvalidArgument, Assert.Throws<OrtException>(() => session.Run(s_x, [right], ["z"])).Code);
        Assert.Throws<ArgumentException>(() => session.Run(s_x, [], s_y));
    }

    [Fact]
    public void Runs_at_once_do_not_disturb_each_other()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        Parallel.For(0, 200, i =>
        {
            using var x = OrtValue.FromMemory<float>(new float[] { i, i, i }, [1, 3]);
            using var outputs = session.Run(s_x, [x], s_y);
            Assert.Equal([i + 10f, i + 20f, i + 30f], outputs[0].AsSpan<float>().ToArray());
        });
    }

    [Fact]
    public void A_session_outlives_its_environment_and_outputs_outlive_their_session()
    {
        OrtValueList outputs;
        using (var environment = new OrtEnvironment(LoggingLevel.Fatal))
        {
            var session = Session.FromBytes(environment, ModelBytes.AddModel(), new SessionOptions());
            environment.Dispose();
            using var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
            outputs = session.Run(s_x, [x], s_y);
            session.Dispose();
        }

        Assert.Equal([10f, 20f, 30f], outputs[0].AsSpan<float>().ToArray());
        outputs.Dispose();
    }

    [Fact]
    public void Nothing_works_after_disposal_and_disposal_may_be_repeated()
    {
        var environment = new OrtEnvironment(LoggingLevel.Fatal);
        var session = Session.FromBytes(environment, ModelBytes.AddModel(), new SessionOptions());
        var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        x.Dispose();
        x.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Run(s_x, [x], s_y));
        Assert.Throws<ObjectDisposedException>(() => x.AsSpan<float>());
        session.Dispose();
        session.Dispose();
        using var again = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        Assert.Throws<ObjectDisposedException>(() => session.Run(s_x, [again], s_y));
        Assert.Throws<ObjectDisposedException>(() => new IoBinding(session));
        environment.Dispose();
        environment.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Session.FromBytes(environment, ModelBytes.AddModel(), new SessionOptions()));
    }

    [Fact]
    public void Abandoned_objects_are_finalised_without_harm()
    {
        const int Rounds = 50;
        for (var i = 0; i < Rounds; i++)
            Abandon();
        Collect();
        using var session = runtime.Load(ModelBytes.AddModel());
        Assert.Single(session.Inputs);
    }

    [Fact]
    public void An_abandoned_value_lets_go_of_its_memory()
    {
        var memory = AbandonValue();
        Collect();
        Assert.False(memory.IsAlive);
    }

    private static WeakReference AbandonValue()
    {
        var array = new float[3];
        _ = OrtValue.FromMemory<float>(array, [3]);
        return new WeakReference(array);
    }

    private static void Abandon()
    {
        var session = Session.FromBytes(new OrtEnvironment(LoggingLevel.Fatal), ModelBytes.AddModel(), new SessionOptions());
        var x = OrtValue.FromMemory<float>(new float[3], [1, 3]);
        var binding = new IoBinding(session);
        binding.BindInput("x", x);
        binding.BindOutput("y", MemoryDescription.Cpu());
        session.RunWithBinding(binding, new RunOptions());
        Assert.Equal(30f, binding.GetOutputs()[0].AsSpan<float>()[2]);
    }

    private static void Collect()
    {
        // The first round finalises children, which lets the second collect what they held.
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
