using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Spectre.Console;

namespace Orchestrator.Cli.Running;

/// <summary>What <c>orc run --dry-run</c> tells: the plan as data, and as people read it.</summary>
internal sealed record PlanView
{
    public required string Job { get; init; }
    public required string Profile { get; init; }
    public required string Store { get; init; }
    public required string Out { get; init; }
    public required PlanUnitsView Units { get; init; }
    public required JobEstimate Estimate { get; init; }
    public required int Slots { get; init; }

    /// <summary>What this machine may lack, each with its remedy.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    public required IReadOnlyList<PlanLayerView> Layers { get; init; }
    public required IReadOnlyList<PlanUnsupportedView> Unsupported { get; init; }
    public required IReadOnlyList<PlanCorrectionView> Corrections { get; init; }

    /// <summary>Layers that are reconstructed together, in their order; null where none are.</summary>
    public IReadOnlyList<PlanGroupView>? Reconstruction { get; init; }

    /// <summary>How activations are quantized; null where they stay in float.</summary>
    public PlanActivationsView? Activations { get; init; }

    public static PlanView Of(PreparedRun run, int slots)
    {
        var totals = PlanUnits.Totals(run.Job.Plan);
        return new PlanView
        {
            Job = run.Job.Plan.ComputeJobId(),
            Profile = run.Job.Plan.Settings.Profile,
            Store = run.Store.Address.ToString(),
            Out = run.Out,
            Units = new PlanUnitsView(totals.Units, totals.Cost),
            Estimate = run.Preflight.Estimate,
            Slots = slots,
            Warnings = run.Preflight.Warnings,
            Layers = [.. run.Job.Plan.Layers.Select(layer => PlanLayerView.Of(run.Job.Plan, layer))],
            Unsupported = [.. run.Job.Plan.Unsupported.Select(node => new PlanUnsupportedView(node.Name, node.OpType, node.Reason))],
            Corrections = [.. run.Job.Plan.Corrections.Select(c => new PlanCorrectionView(c.Kind, c.Sites.Count, c.Levels.Count, c.Shards.Samples, c.Shards.Batch))],
            Activations = run.Job.Plan.Reconstruction?.Activations is { } activations ? new PlanActivationsView(activations.Bits, [.. activations.Eight.Select(layer => layer.Name)]) : null,
            Reconstruction = run.Job.Plan.Reconstruction is { } reconstruction ? [.. reconstruction.Groups.Select(group => PlanGroupView.Of(run.Job.Plan, reconstruction, group))] : null,
        };
    }

    public void Print(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn("layer").AddColumn("steps").AddColumn(new TableColumn("rows").RightAligned()).AddColumn(new TableColumn("columns").RightAligned());
        foreach (var layer in Layers)
        {
            var steps = layer.Steps.Count == 0 && layer.Bits is null ? $"left alone: {layer.Reason}" : string.Join(" + ", layer.Steps.Append(layer.Bits is { } bits ? $"{layer.Tuned} {bits} bit" : null).OfType<string>()) + (layer.Reason is { } reason ? $" ({reason})" : "") + (layer.KeptZeros is { } zeros ? $" on {Figures.Percent(zeros)} zeros kept" : "");
            table.AddRow(new Text(layer.Name), new Text(steps), new Text($"{layer.Rows}"), new Text($"{layer.Columns}"));
        }

        console.Write(table);
        foreach (var node in Unsupported)
            console.MarkupLineInterpolated($"[yellow]left alone[/] {node.Name} ({node.OpType}): {node.Reason}");
        foreach (var group in Reconstruction ?? [])
            console.MarkupLineInterpolated($"then {group.Phases} of {group.Name} together, {group.Layers.Count} layer(s), {group.Iterations} steps{(group.Reason is { } reason ? $" ({reason})" : "")}");
        if (Activations is { } activations)
            console.MarkupLineInterpolated($"then activations have {activations.Bits} bits{(activations.Eight.Count == 0 ? "" : $"; what leaves {activations.Eight[0]} and what enters {activations.Eight[^1]} has 8")}");
        foreach (var correction in Corrections)
            console.MarkupLineInterpolated($"then {correction.Kind} of {correction.Nodes} nodes in {correction.Levels} levels on {correction.Samples} samples, {correction.Batch} at a time");
        console.MarkupLineInterpolated($"job {Job}, profile {Profile}: {Units.Total} units in {Slots} slots");
        EstimateLines.Print(console, Estimate, Slots);
        console.MarkupLineInterpolated($"store    {Store}");
        console.MarkupLineInterpolated($"results  {Out}");
        console.WriteLine("Nothing was written.");
    }
}

/// <param name="Cost">Nominal operations.</param>
internal sealed record PlanUnitsView(int Total, double Cost);

internal sealed record PlanUnsupportedView(string Name, string OpType, string Reason);

/// <param name="Iterations">Of all phases together.</param>
internal sealed record PlanGroupView(string Name, Granularity Granularity, IReadOnlyList<string> Layers, string Phases, int Iterations, string? Reason)
{
    public static PlanGroupView Of(JobPlan plan, ReconstructionPlan reconstruction, GroupPlan group) => new(
        group.Name, group.Granularity, [.. group.Layers.Select(layer => plan.Layers[layer].Name)],
        string.Join(", then ", reconstruction.Phases.Select(phase => phase == ReconstructionPhase.Joint ? "weights and activations" : phase.ToString().ToLowerInvariant())),
        reconstruction.Phases.Sum(phase => reconstruction.ParametersOf(phase).Iterations), group.Reason);
}

/// <param name="Eight">The first and the last layer, whose output and input have 8 bits; empty where all have the same.</param>
internal sealed record PlanActivationsView(int Bits, IReadOnlyList<string> Eight);

/// <param name="Nodes">Nodes that are corrected.</param>
/// <param name="Levels">One behind the other in the graph.</param>
internal sealed record PlanCorrectionView(Correction Kind, int Nodes, int Levels, int Samples, int Batch);

/// <param name="Steps">For example <c>exact-obs 70.0 %</c>; empty where the layer is left alone.</param>
internal sealed record PlanLayerView(string Name, string OpType, string Block, int Rows, int Columns, IReadOnlyList<string> Steps, string? Reason, double? KeptZeros)
{
    /// <summary>Method that reconstructs it; null where none does.</summary>
    public string? Tuned { get; init; }

    /// <summary>Bits that it gets there.</summary>
    public int? Bits { get; init; }

    public static PlanLayerView Of(JobPlan plan, LayerPlan layer) => Of(layer) with { Tuned = layer.Reconstruct is null ? null : plan.Reconstruction?.Method, Bits = layer.Reconstruct?.Bits };

    private static PlanLayerView Of(LayerPlan layer) => new(
        layer.Name, layer.OpType, layer.Block, layer.Shape.Rows, layer.Shape.Columns, [.. layer.Steps.Select(step => Describe(step.Step) + (step.KeepsRows ? " keeping rows" : ""))], layer.Reason, layer.KeptZeros);

    private static string Describe(CompressStepSpec step) => step switch
    {
        { Keep: { } keep, Group: { } group } => $"{step.Method} {keep}:{group}",
        { Size: { } size, Sparsity: { } sparsity } => $"{step.Method} of {size} {Figures.Percent(sparsity)}",
        { Sparsity: { } sparsity } => $"{step.Method} {Figures.Percent(sparsity)}",
        { Bits: { } bits } => $"{step.Method} {bits} bit",
        _ => step.Method,
    };
}
