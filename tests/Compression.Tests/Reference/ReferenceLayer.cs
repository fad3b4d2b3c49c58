using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Reference;

/// <summary>One layer of the trained net beside what the original OBC code made of it; origin and meaning are in Reference/README.md.</summary>
internal sealed partial class ReferenceLayer : IDisposable
{
    private readonly string _folder;
    private readonly Dictionary<string, double> _losses;

    public ReferenceLayer(string name)
    {
        _folder = Path.Combine(AppContext.BaseDirectory, "Reference", name);
        Weights = LoadMatrix("W");
        Hessian = new LayerHessian(LoadMatrix("H").Convert<double>());
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "reference.json")));
        var shape = json.RootElement.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt32()).ToArray();
        Shape = new(Weights.Rows, Weights.Columns, 1, shape.Skip(2).Aggregate(1, (product, extent) => product * extent));
        ZeroLoss = json.RootElement.GetProperty("zeroLoss").GetDouble();
        _losses = json.RootElement.GetProperty("loss").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetDouble());
    }

    public Matrix<float> Weights { get; }
    public LayerHessian Hessian { get; }
    public LayerShape Shape { get; }
    public double ZeroLoss { get; }

    public double Loss(string setting) => _losses[setting];

    public float[] LoadVector(string name) => Read(name).Values;

    public Matrix<float> LoadMatrix(string name)
    {
        var (shape, values) = Read(name);
        return Matrix<float>.FromRows(values, shape[0], shape[1]);
    }

    public void Dispose()
    {
        Weights.Dispose();
        Hessian.Dispose();
    }

    /// <summary>The only form that these files have: version 1, little-endian float32, C order.</summary>
    private (int[] Shape, float[] Values) Read(string name)
    {
        var bytes = File.ReadAllBytes(Path.Combine(_folder, name + ".npy"));
        var length = BitConverter.ToUInt16(bytes, 8);
        var header = Encoding.ASCII.GetString(bytes, 10, length);
        Assert.Contains("'descr': '<f4', 'fortran_order': False", header, StringComparison.Ordinal);
        var shape = Shapes().Match(header).Groups[1].Value
            .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(extent => int.Parse(extent, CultureInfo.InvariantCulture)).ToArray();
        return (shape, MemoryMarshal.Cast<byte, float>(bytes.AsSpan(10 + length)).ToArray());
    }

    [GeneratedRegex(@"'shape': \(([0-9, ]*)\)")]
    private static partial Regex Shapes();
}
