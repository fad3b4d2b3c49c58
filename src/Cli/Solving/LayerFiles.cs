using Orchestrator.Compression.Data;
using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs;
using Orchestrator.Numerics;

namespace Orchestrator.Cli.Solving;

/// <summary>Reads and writes the matrices of <c>orc solve</c>.</summary>
internal static class LayerFiles
{
    /// <exception cref="InputException">Missing, not NumPy, not a matrix, not finite.</exception>
    public static Matrix<float> ReadWeights(string option, string path)
    {
        var (array, rows, columns) = ReadMatrix(option, path);
        var values = array.ToFloats();
        RefuseNotFinite(option, path, Array.FindIndex(values, value => !float.IsFinite(value)));
        return Matrix<float>.FromRows(values, rows, columns);
    }

    /// <exception cref="InputException">As <see cref="ReadWeights"/>, or the size does not fit the weights.</exception>
    public static LayerHessian ReadHessian(string option, string path, int columns)
    {
        var (array, rows, width) = ReadMatrix(option, path);
        if (rows != columns || width != columns)
        {
            throw new InputException(
                "data-shape", option, $"'{path}' is {rows} × {width}, but the weights have {columns} columns",
                $"Give the averaged 2·X·Xᵀ of the layer's inputs, {columns} × {columns}.");
        }

        var values = array.ToDoubles();
        RefuseNotFinite(option, path, Array.FindIndex(values, value => !double.IsFinite(value)));
        return new LayerHessian(Matrix<double>.FromRows(values, rows, width));
    }

    public static void Write(string path, Matrix<float> weights) =>
        Write(path, file => NpyArray.Write<float>(file, weights.ToArray(), weights.Rows, weights.Columns));

    /// <summary>Whole or not at all: a reader never sees half a file.</summary>
    public static void Write(string path, Action<Stream> content)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}";
        try
        {
            using (var file = File.Create(temporary))
                content(file);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static (NpyArray Array, int Rows, int Columns) ReadMatrix(string option, string path)
    {
        if (!File.Exists(path))
            throw new InputException("data-not-found", option, $"'{path}' does not exist", "Give the path of a NumPy .npy file.");
        var array = NpyArray.Load(path);
        if (array.Shape is not [var rows and > 0 and <= int.MaxValue, var columns and > 0 and <= int.MaxValue])
            throw new InputException("data-shape", option, $"'{path}' is {array.Header}, not a matrix", "Give a float array of two dimensions.");
        return (array, (int)rows, (int)columns);
    }

    private static void RefuseNotFinite(string option, string path, int index)
    {
        if (index >= 0)
            throw new InputException("data-not-finite", option, $"'{path}' holds NaN or infinity, first at element {index}", "Every element must be a finite number.");
    }
}
