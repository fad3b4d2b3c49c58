using Google.Protobuf;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Fuzzing.Onnx;

/// <summary>Small models that together reach what the code knows of: layers, blocks, norms, shape arithmetic, bodies, functions, every way to store a tensor.</summary>
internal static class SeedModels
{
    private const ElementType Real = ElementType.Float32;

    public static IEnumerable<(string Name, byte[] Model)> All()
    {
        yield return ("residual", Residual().ToByteArray());
        yield return ("mlp", Mlp().ToByteArray());
        yield return ("shapes", ShapeArithmetic().ToByteArray());
        yield return ("old-opset", OldOpset().ToByteArray());
        yield return ("control-flow", ControlFlow().ToByteArray());
        yield return ("function", Function().ToByteArray());
        yield return ("tensors", Tensors().ToByteArray());
        yield return ("attention", Attention().ToByteArray());
    }

    private static ModelProto Residual()
    {
        var model = Empty(13, [1, 2, 6, 6]);
        Initializers(model, Floats("w1", 2, 2, 3, 3), Floats("w2", 2, 2, 3, 3), Floats("b", 2), Floats("g", 2), Floats("m", 2), Floats("v", 2), Floats("wd", 2, 1, 3, 3), Floats("wf", 3, 2));
        Node(model, "Conv", "conv1", ["x", "w1", "b"], ["c1"], NodeAttribute.Ints("pads", 1, 1, 1, 1), NodeAttribute.Ints("strides", 1, 1));
        Node(model, "BatchNormalization", "bn1", ["c1", "g", "b", "m", "v"], ["n1"], NodeAttribute.Float("epsilon", 1e-5f));
        Node(model, "Relu", "relu1", ["n1"], ["r1"]);
        Node(model, "Identity", "copy", ["w2"], ["w2b"]);
        Node(model, "Conv", "conv2", ["r1", "w2b"], ["c2"], NodeAttribute.Text("auto_pad", "SAME_UPPER"));
        Node(model, "Add", "add", ["c2", "x"], ["a"]);
        Node(model, "Conv", "depthwise", ["a", "wd"], ["d"], NodeAttribute.Int("group", 2), NodeAttribute.Ints("pads", 1, 1, 1, 1), NodeAttribute.Ints("dilations", 1, 1));
        Node(model, "MaxPool", "pool", ["d"], ["p"], NodeAttribute.Ints("kernel_shape", 2, 2), NodeAttribute.Ints("strides", 2, 2), NodeAttribute.Int("ceil_mode", 1));
        Node(model, "GlobalAveragePool", "gap", ["p"], ["q"]);
        Node(model, "Flatten", "flat", ["q"], ["f"]);
        Node(model, "Gemm", "fc", ["f", "wf"], ["y"], NodeAttribute.Int("transB", 1));
        return Output(model, "y", -1, 3);
    }

    private static ModelProto Mlp()
    {
        var model = Empty(17, [-1, 4]);
        Initializers(model, Floats("w", 4, 4), Floats("left", 4, 4), Tensor.FromReals("half", ElementType.Float16, [4, 4], new double[16]), Floats("bias", 4));
        Node(model, "MatMul", "first", ["x", "w"], ["h"]);
        Node(model, "Add", "shift", ["h", "bias"], ["hb"]);
        Node(model, "MatMul", "again", ["hb", "w"], ["h2"]);
        Node(model, "Cast", "down", ["h2"], ["h3"], NodeAttribute.Int("to", 10));
        Node(model, "MatMul", "halves", ["h3", "half"], ["h4"]);
        Node(model, "Cast", "up", ["h4"], ["h5"], NodeAttribute.Int("to", 1));
        Node(model, "Transpose", "turn", ["h5"], ["t"], NodeAttribute.Ints("perm", 1, 0));
        Node(model, "MatMul", "sideways", ["left", "t"], ["y"]);
        return Output(model, "y", 4, -1);
    }

    private static ModelProto ShapeArithmetic()
    {
        var model = Empty(13, [-1, 2, 4, 4]);
        Initializers(model, Tensor.FromLongs("zero", [], [0]), Tensor.FromLongs("minus", [-1L]), Tensor.FromLongs("two", [2L]), Tensor.FromLongs("ends", [4L]), Floats("w", 32, 5), Tensor.FromLongs("axis0", [0L]));
        Node(model, "Shape", "shape", ["x"], ["s"]);
        Node(model, "Gather", "batch", ["s", "zero"], ["n"], NodeAttribute.Int("axis", 0));
        Node(model, "Unsqueeze", "lift", ["n", "axis0"], ["n1"]);
        Node(model, "Slice", "rest", ["s", "two", "ends"], ["hw"]);
        Node(model, "ReduceProd", "area", ["hw"], ["p"], NodeAttribute.Int("keepdims", 1));
        Node(model, "Mul", "double", ["p", "two"], ["p2"]);
        Node(model, "Concat", "target", ["n1", "minus"], ["t"], NodeAttribute.Int("axis", 0));
        Node(model, "Reshape", "flat", ["x", "t"], ["f"]);
        Node(model, "MatMul", "fc", ["f", "w"], ["z"]);
        Node(model, "ConstantOfShape", "fill", ["t"], ["c"], NodeAttribute.Constant("value", Tensor.FromLongs("v", [1L])));
        Node(model, "Equal", "compare", ["c", "p2"], ["e"]);
        Node(model, "Split", "split", ["z"], ["y", "y2"], NodeAttribute.Int("axis", 1));
        Node(model, "Expand", "spread", ["y2", "t"], ["y3"]);
        Node(model, "Tile", "tile", ["y", "t"], ["y4"]);
        Node(model, "Resize", "grow", ["x", "", "", "s"], ["y5"]);
        return Output(model, "y");
    }

    private static ModelProto OldOpset()
    {
        var model = Empty(7, [1, 1, 8, 8]);
        Initializers(model, Floats("w", 2, 1, 3, 3), Floats("b", 2), Floats("fc", 72, 3), Floats("scales", 4));
        foreach (var name in new[] { "w", "b", "fc", "scales" })
            model.Graph.Input.Add(new GraphValue(name, Real, [2]).Proto);
        Node(model, "Conv", "conv", ["x", "w"], ["c"], NodeAttribute.Ints("kernel_shape", 3, 3));
        Node(model, "BatchNormalization", "bn", ["c", "b", "b", "b", "b"], ["n"], NodeAttribute.Int("spatial", 1));
        Node(model, "Clip", "clip", ["n"], ["l"], NodeAttribute.Float("min", 0), NodeAttribute.Float("max", 6));
        Node(model, "Pad", "pad", ["l"], ["p"], NodeAttribute.Ints("pads", 0, 0, 0, 0, 0, 0, 0, 0));
        Node(model, "Dropout", "drop", ["p"], ["d"], NodeAttribute.Float("ratio", 0.5f));
        Node(model, "Slice", "slice", ["d"], ["s"], NodeAttribute.Ints("starts", 0), NodeAttribute.Ints("ends", 1000), NodeAttribute.Ints("axes", 2));
        Node(model, "Upsample", "up", ["s"], ["u"], NodeAttribute.Floats("scales", 1, 1, 1, 1));
        Node(model, "Flatten", "flat", ["u"], ["f"]);
        Node(model, "Gemm", "gemm", ["f", "fc"], ["g"], NodeAttribute.Float("alpha", 1), NodeAttribute.Float("beta", 1));
        Node(model, "Squeeze", "squeeze", ["g"], ["q"], NodeAttribute.Ints("axes", 0));
        Node(model, "Unsqueeze", "unsqueeze", ["q"], ["v"], NodeAttribute.Ints("axes", 0));
        Node(model, "TopK", "top", ["v"], ["k", "ki"], NodeAttribute.Int("k", 2), NodeAttribute.Int("axis", -1));
        Node(model, "Softmax", "softmax", ["v"], ["y"], NodeAttribute.Int("axis", 1));
        return Output(model, "y", 1, 3);
    }

    private static ModelProto ControlFlow()
    {
        var model = Empty(15, [2, 2]);
        Initializers(model, Floats("w", 2, 2), Tensor.FromBytes("yes", ElementType.Bool, [], [1]), Tensor.FromLongs("trips", [], [2]));
        Node(model, "MatMul", "outer", ["x", "w"], ["h"]);
        var branch = new NodeProto { OpType = "If", Name = "branch", Input = { "yes" }, Output = { "i" } };
        branch.Attribute.Add(Body("then_branch", Inner("h", "w", "t")));
        branch.Attribute.Add(Body("else_branch", Inner("x", "w", "t")));
        model.Graph.Node.Add(branch);
        var loop = new NodeProto { OpType = "Loop", Name = "loop", Input = { "trips", "yes", "i" }, Output = { "y" } };
        var body = Inner("carried", "w", "carried_out");
        body.Input.Add(new GraphValue("iteration", ElementType.Int64, []).Proto);
        body.Input.Add(new GraphValue("go", ElementType.Bool, []).Proto);
        body.Input.Add(new GraphValue("carried", Real, [2, 2]).Proto);
        body.Output.Insert(0, new GraphValue("go", ElementType.Bool, []).Proto);
        loop.Attribute.Add(Body("body", body));
        model.Graph.Node.Add(loop);
        return Output(model, "y", 2, 2);
    }

    private static ModelProto Function()
    {
        var model = Empty(18, [-1, 4]);
        Initializers(model, Floats("w", 4, 4));
        Node(model, "MatMul", "m", ["x", "w"], ["h"]);
        model.Graph.Node.Add(new NodeProto { OpType = "Twice", Domain = "local", Name = "call", Input = { "h", "w" }, Output = { "y" } });
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "local", Version = 1 });
        var twice = new FunctionProto { Name = "Twice", Domain = "local", Input = { "a", "b" }, Output = { "c" } };
        twice.OpsetImport.Add(new OperatorSetIdProto { Version = 18 });
        twice.Node.Add(new NodeProto { OpType = "Once", Domain = "local", Name = "one", Input = { "a", "b" }, Output = { "t" } });
        twice.Node.Add(new NodeProto { OpType = "MatMul", Name = "two", Input = { "t", "b" }, Output = { "c" } });
        var once = new FunctionProto { Name = "Once", Domain = "local", Input = { "a", "b" }, Output = { "c" } };
        once.OpsetImport.Add(new OperatorSetIdProto { Version = 18 });
        once.Node.Add(new NodeProto { OpType = "MatMul", Name = "inner", Input = { "a", "b" }, Output = { "c" } });
        model.Functions.Add(twice);
        model.Functions.Add(once);
        return Output(model, "y", -1, 4);
    }

    private static ModelProto Tensors()
    {
        var model = Empty(21, [1, 4]);
        var typed = new TensorProto { Name = "typed", DataType = 1, Dims = { 4, 2 }, FloatData = { 1, 2, 3, 4, 5, 6, 7, 8 } };
        var halves = new TensorProto { Name = "halves", DataType = 10, Dims = { 2, 2 }, Int32Data = { 15360, 0, 0, 15360 } };
        var longs = new TensorProto { Name = "longs", DataType = 7, Dims = { 2 }, Int64Data = { 1, -1 } };
        var words = new TensorProto { Name = "words", DataType = 8, Dims = { 1 }, StringData = { ByteString.CopyFromUtf8("a") } };
        var nibbles = new TensorProto { Name = "nibbles", DataType = 22, Dims = { 3 }, RawData = ByteString.CopyFrom(0x21, 0x03) };
        model.Graph.Initializer.AddRange([typed, halves, longs, words, nibbles]);
        var values = new TensorProto { Name = "sparse", DataType = 1, Dims = { 1 }, FloatData = { 5 } };
        model.Graph.SparseInitializer.Add(new SparseTensorProto { Values = values, Indices = new TensorProto { DataType = 7, Dims = { 1 }, Int64Data = { 1 } }, Dims = { 2, 2 } });
        Node(model, "MatMul", "m", ["x", "typed"], ["h"]);
        Node(model, "Constant", "c", [], ["k"], NodeAttribute.Constant("value", Floats("", 2, 2)));
        Node(model, "Constant", "c2", [], ["k2"], NodeAttribute.Floats("value_floats", 1, 2));
        Node(model, "Gemm", "g", ["h", "k", "k2"], ["g1"]);
        Node(model, "MatMul", "m2", ["g1", "sparse"], ["y"]);
        model.MetadataProps.Add(new StringStringEntryProto { Key = "author", Value = "test" });
        model.Graph.ValueInfo.Add(new GraphValue("h", Real, [1, 2]).Proto);
        return Output(model, "y", 1, 2);
    }

    private static ModelProto Attention()
    {
        var model = Empty(14, [1, 3, 4]);
        Initializers(model, Floats("wq", 4, 4), Floats("wk", 4, 4), Floats("wv", 4, 4), Floats("wo", 4, 4), Floats("g", 4), Floats("table", 5, 4), Tensor.FromLongs("heads", [0L, 0, 2, 2]), Tensor.FromLongs("merged", [0L, 0, -1]));
        Node(model, "LayerNormalization", "norm", ["x", "g"], ["n"]);
        foreach (var part in new[] { "q", "k", "v" })
        {
            Node(model, "MatMul", $"/attn/{part}", ["n", $"w{part}"], [part]);
            Node(model, "Reshape", $"/attn/{part}/split", [part, "heads"], [$"{part}h"]);
            Node(model, "Transpose", $"/attn/{part}/turn", [$"{part}h"], [$"{part}t"], NodeAttribute.Ints("perm", part == "k" ? [0, 2, 3, 1] : [0, 2, 1, 3]));
        }
        Node(model, "MatMul", "/attn/scores", ["qt", "kt"], ["s"]);
        Node(model, "Softmax", "/attn/softmax", ["s"], ["p"], NodeAttribute.Int("axis", -1));
        Node(model, "MatMul", "/attn/mix", ["p", "vt"], ["m"]);
        Node(model, "Transpose", "/attn/back", ["m"], ["mb"], NodeAttribute.Ints("perm", 0, 2, 1, 3));
        Node(model, "Reshape", "/attn/merge", ["mb", "merged"], ["mm"]);
        Node(model, "MatMul", "/attn/out", ["mm", "wo"], ["o"]);
        Node(model, "Add", "/attn/add", ["o", "x"], ["y"]);
        return Output(model, "y", 1, 3, 4);
    }

    private static ModelProto Empty(int opset, long[] input)
    {
        var model = new ModelProto { IrVersion = 8, ProducerName = "seed", Graph = new GraphProto { Name = "g" } };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        model.Graph.Input.Add(new GraphValue("x", Real, input).Proto);
        return model;
    }

    private static ModelProto Output(ModelProto model, string name, params long[] shape)
    {
        model.Graph.Output.Add(new GraphValue(name, Real, shape.Length == 0 ? null : shape).Proto);
        return model;
    }

    private static Tensor Floats(string name, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, d) => a * d)];
        for (var i = 0; i < values.Length; i++)
            values[i] = 0.25f + (i % 7 * 0.125f);
        return Tensor.FromFloats(name, shape, values);
    }

    private static void Initializers(ModelProto model, params Tensor[] tensors) => model.Graph.Initializer.AddRange(tensors.Select(t => t.Proto));

    private static void Node(ModelProto model, string opType, string name, string[] inputs, string[] outputs, params NodeAttribute[] attributes) =>
        model.Graph.Node.Add(new Node(opType, name, inputs, outputs, attributes).Proto);

    private static AttributeProto Body(string name, GraphProto graph) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Graph, G = graph };

    private static GraphProto Inner(string input, string weight, string output)
    {
        var graph = new GraphProto { Name = "body" };
        graph.Node.Add(new NodeProto { OpType = "MatMul", Name = "inner", Input = { input, weight }, Output = { output } });
        graph.Output.Add(new GraphValue(output, Real, [2, 2]).Proto);
        return graph;
    }
}
