using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Shapes;
using Orchestrator.OnnxRuntime;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Nodes;

/// <summary>ONNX's own single-operator models: what we write of them computes the outputs that ONNX ships with them.</summary>
public sealed class NodeModelTests : IDisposable
{
    /// <summary>The specification's own test runner allows 1e-3 relative, 1e-7 absolute an element; this is over all elements.</summary>
    private const double Specified = 1e-3;

    private readonly ModelRun _run = new(optimized: false);

    public void Dispose() => _run.Dispose();

    [NodeModelFact]
    public void Reading_and_writing_loses_nothing()
    {
        var faults = new List<string>();
        foreach (var model in NodeModel.All())
            if (Refusal(model) is not { } refusal)
                Add(faults, model, FileContent.Lost(model.Bytes));
            else
                Add(faults, model, Exclusions.Refused(model, refusal));
        Expect.Nothing(faults);
    }

    [NodeModelFact]
    public void Only_what_the_runtime_cannot_run_untouched_is_excluded()
    {
        var differences = new List<string>();
        foreach (var model in NodeModel.All().Where(m => m.IsTensors && Refusal(m) is null))
        {
            var fault = Compare(model, model.Bytes, model.Feeds());
            if (fault is null == Exclusions.Reason(model.Name) is not null)
                differences.Add($"{model.Name}: {fault ?? "runs, but is excluded"}");
        }

        Expect.Nothing(differences);
    }

    [NodeModelFact]
    public void Inferred_shapes_are_those_of_the_outputs()
    {
        var (faults, unknown) = (new List<string>(), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var model in NodeModel.All().Where(m => m.IsTensors && Refusal(m) is null))
        {
            var shapes = InferredShapes.Of(model.WithConstants());
            foreach (var output in model.Outputs())
            {
                if (shapes.Find(output.Name) is not { } inferred || inferred.Contains(-1))
                    unknown.Add($"{string.Join('+', model.Operators)}: {model.Name}");
                if (shapes.Find(output.Name) is { } known && !Fits(known, output.Shape))
                    faults.Add($"{model.Name}: {output.Name} is [{string.Join(',', output.Shape)}], inferred [{string.Join(',', known)}]");
            }
        }

        Expect.Nothing(faults);
        GoldenFile.Matches("Nodes/unknown-shapes.txt", string.Join('\n', unknown));
    }

    [NodeModelFact]
    public void What_is_written_computes_the_expected_outputs()
    {
        var faults = new List<string>();
        foreach (var model in Runnable())
        {
            var prepared = OnnxModel.Load(model.Bytes);
            PassRunner.Run(prepared, PassRunner.Preparation(foldBatchNorms: true));
            Add(faults, model, Compare(model, prepared.ToBytes(), model.Feeds()));
        }

        Expect.Nothing(faults);
    }

    [NodeModelFact]
    public void A_raised_operator_set_computes_the_expected_outputs()
    {
        var (faults, blocked) = (new List<string>(), new List<string>());
        foreach (var model in Runnable())
        {
            foreach (var target in new[] { OpsetUpgrade.MinTarget, OpsetUpgrade.MaxTarget })
            {
                var raised = model.WithConstants();
                if (raised.Opset >= target)
                    continue;
                if (OpsetUpgrade.FindBlockers(raised, target) is [var blocker, ..])
                {
                    blocked.Add($"{model.Name} from {raised.Opset} to {target}: {blocker}");
                    continue;
                }

                OpsetUpgrade.Raise(raised, target);
                var feeds = model.Feeds().Where(feed => raised.Graph.IsInput(feed.Name)).ToList();
                if (Compare(model, raised.ToBytes(), feeds) is { } fault)
                    faults.Add($"{model.Name} from {model.Proto.OpsetImport[0].Version} to {target}: {fault}");
            }
        }

        Expect.Nothing(faults);
        GoldenFile.Matches("Nodes/blocked-upgrades.txt", string.Join('\n', blocked));
    }

    [NodeModelFact]
    public void Nodes_with_weights_are_layers_or_left_alone_with_a_reason()
    {
        var lines = new List<string>();
        foreach (var model in NodeModel.All().Where(m => m.IsTensors && Refusal(m) is null))
        {
            var proto = model.Proto.Clone();
            foreach (var weight in model.Inputs().Skip(1))
            {
                proto.Graph.Input.Remove(proto.Graph.Input.Single(i => i.Name == weight.Name));
                proto.Graph.Initializer.Add(weight.Proto);
            }

            var partition = ModelPartition.Of(OnnxModel.Load(Google.Protobuf.MessageExtensions.ToByteArray(proto)));
            lines.AddRange(partition.Layers.Select(layer => $"{model.Name}: {layer}"));
            lines.AddRange(partition.Unsupported.Select(left => $"{model.Name}: {left.Node.OpType} left alone: {left.Reason}"));
        }

        GoldenFile.Matches("Nodes/partition.txt", string.Join('\n', lines));
    }

    /// <summary>Models that the runtime runs as they are, with what it expects of them; those that it does not are named.</summary>
    private static IEnumerable<NodeModel> Runnable() => NodeModel.All().Where(model => model.IsTensors && Refusal(model) is null && Exclusions.Reason(model.Name) is null);

    private string? Compare(NodeModel model, byte[] bytes, IReadOnlyList<Feed> feeds)
    {
        try
        {
            return Comparison.Difference(model.Expected(), _run.Run(bytes, feeds), Specified);
        }
        catch (OrtException refused)
        {
            return refused.Message;
        }
    }

    private static void Add(List<string> faults, NodeModel model, string? fault)
    {
        if (fault is not null)
            faults.Add($"{model.Name}: {fault}");
    }

    private static string? Refusal(NodeModel model)
    {
        try
        {
            OnnxModel.Load(model.Bytes);
            return null;
        }
        catch (OnnxException refused)
        {
            return refused.Message;
        }
    }

    private static bool Fits(IReadOnlyList<long> inferred, IReadOnlyList<long> actual) =>
        inferred.Count == actual.Count && inferred.Zip(actual).All(pair => pair.First < 0 || pair.First == pair.Second);
}
