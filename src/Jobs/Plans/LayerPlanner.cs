using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>Which steps each layer goes through, the recipe's rules applied, and why a step is left out.</summary>
internal static class LayerPlanner
{
    /// <summary>From this share of zeros on a layer counts as pruned; no dense layer comes near it.</summary>
    private const double PrunedShare = 0.05;

    /// <summary>What closed forms are compared at: the mean of density³ over the paper's levels of blocks is ⅛.</summary>
    private const double TypicalSparsity = 0.5;

    /// <summary>Most bytes that a layer's trace may keep.</summary>
    private const double KeptBytes = 256 << 20;

    public static IReadOnlyList<LayerPlan> Plan(Recipe recipe, ModelOutline outline)
    {
        var rules = recipe.Layers.Select((rule, index) => new CompiledRule(rule, index, LayerPattern.Parse(rule.Match))).ToArray();
        foreach (var rule in rules)
            rule.Check(recipe, outline);
        return [.. outline.Layers.Select((layer, index) => Plan(recipe, layer, index, outline.Layers.Count, rules.FirstOrDefault(r => r.Matches(layer))))];
    }

    private static LayerPlan Plan(Recipe recipe, LayerOutline layer, int index, int count, CompiledRule? rule)
    {
        int? eight = ReconstructionPlanner.HasEight(recipe) && (index == 0 || index == count - 1) ? ReconstructionPlanner.EightBits : null;
        ReconstructedLayer? reconstruct = null;
        var shape = new LayerShape(layer.Rows, layer.Columns, layer.Groups, layer.KernelPositions);
        var steps = new List<StepPlan>();
        var keepsZeros = layer.Zeros > 0 && (recipe.Zeros == ExistingZeros.Keep || (recipe.Zeros == ExistingZeros.Auto && layer.Zeros >= PrunedShare));
        var reasons = new List<string>();
        if (rule?.Rule.Skip == true)
        {
            reasons.Add($"the rule '{rule.Rule.Match}' skips it");
        }
        else
        {
            var pruned = keepsZeros;
            foreach (var step in recipe.Compress)
            {
                var isTuned = step is ReconstructStep && (eight is null || index > 0);
                if (isTuned && layer.Obstacle is { } obstacle)
                    reasons.Add($"{step.Method}: {obstacle}; OBQ instead");
                else if (isTuned && step is ReconstructStep tuned)
                {
                    reconstruct = new ReconstructedLayer(rule?.Rule.Bits ?? eight ?? tuned.Bits, tuned.Scheme, pruned);
                    continue;
                }

                var spec = Resolve(step, rule?.Rule, eight, isTuned);
                if (WhyNot(spec, shape) is { } reason)
                {
                    reasons.Add($"{step.Method}: {reason}");
                    continue;
                }

                steps.Add(MakeStep(step, spec, shape, pruned, reasons));
                pruned |= step.Prunes;
            }
        }

        var solved = SampleRows(rule, layer, steps.Count);
        if (rule?.Rule.Rows is not null && reconstruct is not null)
            throw SampleOfReconstructed(layer, rule);
        return new LayerPlan
        {
            Index = index,
            Name = layer.Name,
            OpType = layer.OpType,
            Block = layer.Block,
            Shape = shape,
            Positions = layer.Positions,
            Steps = [.. steps.Select(step => step with { RangeRows = Math.Min(step.RangeRows, solved ?? int.MaxValue) })],
            SampleRows = solved,
            Reconstruct = reconstruct,
            KeptZeros = keepsZeros && (steps.Count > 0 || reconstruct is not null) ? layer.Zeros : null,
            Reason = reasons.Count == 0 ? null : string.Join("; ", reasons),
        };
    }

    /// <summary>The rows to solve where they are not all.</summary>
    private static int? SampleRows(CompiledRule? rule, LayerOutline layer, int steps)
    {
        if (rule?.Rule.Rows is not { } rows || steps == 0 || rows >= layer.Rows)
            return null;
        return layer.Groups == 1
            ? rows
            : throw new InputException(
                "sample-of-groups", $"layers[{rule.Index}].rows", $"'{layer.Name}' is a convolution in {layer.Groups} groups, and a sample of its rows would not be one of its groups.",
                "Skip the layer, or give it a rule of its own without rows, before this one.");
    }

    private static InputException SampleOfReconstructed(LayerOutline layer, CompiledRule rule) => new(
        "sample-of-reconstructed", $"layers[{rule.Index}].rows", $"'{layer.Name}' is reconstructed as a whole: some of its rows say nothing of it.",
        "Skip the layer, or take rows out of the rule.");

    /// <param name="eight">Bits of the first and the last layer where these differ from the others'.</param>
    /// <param name="isTuned">Whether a step that reconstructs would do the layer, if only it could.</param>
    private static CompressStepSpec Resolve(CompressStep step, LayerRule? rule, int? eight, bool isTuned)
    {
        var spec = new CompressStepSpec { Method = step.Method, Damping = step.Damping };
        return step switch
        {
            ExactObsStep s => spec with { Sparsity = rule?.Sparsity ?? s.Sparsity, Select = s.Select },
            BlockStep s => spec with { Size = s.Size, Sparsity = rule?.Sparsity ?? s.Sparsity, Select = s.Select },
            NmStep s => spec with { Keep = s.Keep, Group = s.Group },
            ObqStep s => spec with { Bits = rule?.Bits ?? eight ?? s.Bits, Grid = s.Grid, Scheme = s.Scheme },
            // Rounding looks at no Hessian, so damping must not change its key.
            RtnStep s => spec with { Damping = 0, Bits = rule?.Bits ?? eight ?? s.Bits, Grid = s.Grid, Scheme = s.Scheme },
            ReconstructStep s when isTuned => spec with { Method = "obq", Bits = rule?.Bits ?? eight ?? s.Bits, Grid = s.Grid, Scheme = s.Scheme },
            // The first layer keeps its nearest codes, as in the original.
            ReconstructStep s => spec with { Method = "rtn", Damping = 0, Bits = rule?.Bits ?? eight ?? s.Bits, Grid = s.Grid, Scheme = s.Scheme },
            _ => throw new ArgumentOutOfRangeException(nameof(step), step.Method, "no such method"),
        };
    }

    /// <summary>The reason why a method cannot or need not do a layer; null where it does.</summary>
    private static string? WhyNot(CompressStepSpec step, LayerShape shape)
    {
        // Groups and blocks are consecutive input channels at one kernel position (algorithms.md 5.3, 5.6).
        var channels = shape.Columns / shape.KernelPositions;
        if (step.Group is { } group && channels % group != 0)
            return $"{channels} input channels are no multiple of the pattern's {group}";
        if (step.Size is { } size && channels % size != 0)
            return $"{channels} input channels are no multiple of the block size {size}";
        return step.Sparsity == 0 ? "a sparsity of 0 prunes nothing" : null;
    }

    private static StepPlan MakeStep(CompressStep step, CompressStepSpec spec, LayerShape shape, bool pruned, List<string> reasons)
    {
        var needsInverse = spec.Method != "rtn" && !pruned;
        var rows = Costs.UnitFlops / Costs.Row(spec, shape, pruned);
        return new StepPlan(spec, needsInverse, pruned, RowRanges.FitSize(shape, rows), KeepsRows(step, spec, shape, reasons));
    }

    /// <summary>Whether the trace keeps its rows: a function of recipe and shape alone, so that one trace serves every sparsity.</summary>
    private static bool KeepsRows(CompressStep step, CompressStepSpec spec, LayerShape shape, List<string> reasons)
    {
        var wish = step switch { ExactObsStep s => s.Trace, BlockStep s => s.Trace, _ => TraceKeeping.Order };
        if (wish == TraceKeeping.Order)
            return false;
        var unit = spec.Size ?? 1;
        var fits = Costs.KeptBytes(shape, unit) <= KeptBytes;
        if (wish == TraceKeeping.Auto)
            return fits && Costs.KeepRow(shape, unit) + Costs.PickRow(shape) < Costs.FinishRow(shape, TypicalSparsity);
        if (!fits)
            reasons.Add($"{spec.Method}: its rows after every step take {Costs.KeptBytes(shape, unit) / (1 << 20):f0} MiB, more than {KeptBytes / (1 << 20):f0}; the order is kept instead");
        return fits;
    }

    private sealed record CompiledRule(LayerRule Rule, int Index, LayerPattern Pattern)
    {
        public bool Matches(LayerOutline layer) => Pattern.Matches(layer.Name) || layer.SharedWith.Any(Pattern.Matches);

        public void Check(Recipe recipe, ModelOutline outline)
        {
            var subject = $"layers[{Index}].match";
            if (!outline.Layers.Any(Matches) && !outline.Unsupported.Any(u => Pattern.Matches(u.Name)))
            {
                throw new InputException(
                    "layer-pattern-unmatched", subject, $"The pattern '{Rule.Match}' matches no layer of the model.",
                    $"Use an exact name, a glob or /regex/; `orc inspect` lists the names, for example '{outline.Layers[0].Name}'.");
            }

            if (Rule.Bits is not null && !recipe.Compress.Any(s => s.Quantizes))
                throw NoEffect($"layers[{Index}].bits", "no step of the recipe quantizes", "Add a quantizing step such as {method: obq, bits: 4}.");
            if (Rule.Sparsity is not null && !recipe.Compress.Any(s => s is ExactObsStep or BlockStep))
                throw NoEffect($"layers[{Index}].sparsity", "no step of the recipe prunes to a sparsity", "Add a step such as {method: exact-obs, sparsity: 0.5}; use skip: true to leave a layer alone.");
        }

        private static InputException NoEffect(string subject, string why, string remedy) =>
            new("layer-rule-without-effect", subject, $"The override has no effect: {why}.", remedy);
    }
}
