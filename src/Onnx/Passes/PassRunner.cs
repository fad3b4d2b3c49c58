namespace Orchestrator.Onnx.Passes;

/// <param name="Effect">What the pass did, which is at most what it declares.</param>
public sealed record PassRun(string Name, PassEffect Effect)
{
    public bool Changed => Effect != PassEffect.None;
}

/// <summary>Runs passes in order and holds each to what it declares; a pass that breaks its word is a defect and stops the run.</summary>
public static class PassRunner
{
    /// <summary>What every model goes through before it is split into layers. Batch norms are folded on demand.</summary>
    public static IReadOnlyList<IPass> Preparation(bool foldBatchNorms) =>
        foldBatchNorms
            ? [new FoldWeightLayout(), new RemoveIdentities(), new DeduplicateConstants(), new FoldBatchNorm(), new RemoveDeadCode()]
            : [new FoldWeightLayout(), new RemoveIdentities(), new DeduplicateConstants(), new RemoveDeadCode()];

    /// <exception cref="OnnxException">A pass did what it does not declare, or left the graph broken; lists the passes before it.</exception>
    public static IReadOnlyList<PassRun> Run(OnnxModel model, params IEnumerable<IPass> passes)
    {
        var done = new List<PassRun>();
        var before = ModelSnapshot.Of(model);
        foreach (var pass in passes)
        {
            var claimed = pass.Run(model);
            model.Graph.Sort();
            var after = ModelSnapshot.Of(model);
            var effect = before.EffectTowards(after);

            if (before.Interface != after.Interface)
                throw Broken(pass, "changed the model's inputs or outputs", done);
            if ((effect & ~pass.Effect) != PassEffect.None)
                throw Broken(pass, $"did {effect & ~pass.Effect}, declared {pass.Effect}", done);
            if (claimed != (effect != PassEffect.None))
                throw Broken(pass, claimed ? "says it changed the model and did not" : "changed the model without saying so", done);
            if (model.Graph.FindDangling() is { } dangling)
                throw Broken(pass, $"left '{dangling.Node.Name}' reading '{dangling.Value}', which nothing provides", done);
            done.Add(new PassRun(pass.Name, effect));
            before = after;
        }
        return done;
    }

    private static OnnxException Broken(IPass pass, string what, List<PassRun> done) =>
        new($"pass '{pass.Name}'", $"it {what} (passes before it: {(done.Count == 0 ? "none" : string.Join(", ", done.Select(d => d.Name)))})");
}
