using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Solvers;

/// <summary>A checked input with its columns in the order that the step's pattern wants, and the way back.</summary>
internal sealed class OrderedInput : IDisposable
{
    private readonly ColumnOrder? _order;

    private OrderedInput(SolverInput input, ColumnOrder? order)
    {
        Input = input;
        _order = order;
    }

    public SolverInput Input { get; }

    /// <exception cref="InputException">The parts do not fit each other, or the columns do not fit the pattern.</exception>
    public static OrderedInput Of(SolverInput input, CompressStepSpec step)
    {
        input = input with { Damping = step.Damping };
        CheckShapes(input);
        CheckFinite(input);
        if (step.Method is not ("nm" or "block"))
            return new(input, null);
        CheckPattern(input.Shape, step);
        if (input.Shape.KernelPositions == 1)
            return new(input, null);
        var order = ColumnOrder.ChannelsLast(input.Columns, input.Shape.KernelPositions);
        return new(input with { Weights = order.Apply(input.Weights), Hessian = input.Hessian.Permute(order), Inverse = input.Inverse?.Permute(order) }, order);
    }

    /// <summary>Takes the rows over and gives their columns the layer's order.</summary>
    public SolvedRows Restore(SolvedRows rows)
    {
        if (_order is null)
            return rows;
        using var permuted = rows.Weights;
        return rows with { Weights = _order.Undo(permuted) };
    }

    public void Dispose()
    {
        if (_order is null)
            return;
        Input.Weights.Dispose();
        Input.Hessian.Dispose();
        Input.Inverse?.Dispose();
    }

    private static void CheckShapes(SolverInput input)
    {
        var shape = input.Shape;
        if (shape.Groups < 1 || shape.Rows % shape.Groups != 0)
            throw Mismatch($"{shape.Rows} rows are not {shape.Groups} equal groups.");
        if (input.Columns != shape.Columns || input.FirstRow < 0 || input.FirstRow + input.Rows > shape.Rows)
            throw Mismatch($"Rows {input.FirstRow} to {input.FirstRow + input.Rows - 1} of {input.Columns} columns are not part of a layer of {shape.Rows} × {shape.Columns}.");
        if (input.Hessian.Columns != shape.Columns || input.Hessian.Groups != shape.Groups)
            throw Mismatch($"The Hessian is {input.Hessian.Groups} × {input.Hessian.Columns} × {input.Hessian.Columns}; the layer needs {shape.Groups} × {shape.Columns} × {shape.Columns}.");
        if (input.Inverse is { } inverse && (inverse.Columns != shape.Columns || inverse.Groups != shape.Groups))
            throw Mismatch($"The inverse is {inverse.Groups} × {inverse.Columns} × {inverse.Columns}; the layer needs {shape.Groups} × {shape.Columns} × {shape.Columns}.");
        if (input.Original is { } original && (original.Rows != input.Rows || original.Columns != input.Columns))
            throw Mismatch($"The original weights are {original.Rows} × {original.Columns}, the weights {input.Rows} × {input.Columns}.");
    }

    private static void CheckFinite(SolverInput input)
    {
        for (var row = 0; row < input.Rows; row++)
        {
            foreach (var weight in input.Weights.Row(row))
            {
                if (!float.IsFinite(weight))
                    throw new InputException("weights-not-finite", $"row {input.FirstRow + row}", $"A weight is {weight}.", "Repair the model; a layer with NaN or infinite weights cannot be compressed.");
            }
        }
    }

    private static void CheckPattern(LayerShape shape, CompressStepSpec step)
    {
        var unit = (step.Method == "nm" ? step.Group : step.Size) ?? 1;
        var channels = shape.Columns / shape.KernelPositions;
        if (unit < 1 || channels % unit != 0)
            throw new InputException("pattern-does-not-fit", step.Method, $"{channels} input channels are not whole groups of {unit}.", "Skip the layer for this step, or choose a pattern that divides its input channels.");
    }

    private static InputException Mismatch(string message) =>
        new("shape-mismatch", "weights", message, "Give the weights [rows × columns] and the Hessian [columns × columns] of the same layer.");
}
