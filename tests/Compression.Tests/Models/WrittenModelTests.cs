using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Models;

/// <summary>What src/Onnx writes computes in ONNX Runtime what it should: passes, operator set upgrade, integer weights.</summary>
public sealed class WrittenModelTests : IDisposable
{
    private const int Samples = 32;

    /// <summary>Float32 rounding through sixteen layers; algorithms.md 0.4 asks for less than 1e-5.</summary>
    private const double Rounding = 1e-5;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Warning);

    public void Dispose() => _environment.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_prepared_model_computes_the_same(bool fold)
    {
        var model = FashionSample.Model();
        var expected = Run(model);

        PassRunner.Run(model, PassRunner.Preparation(fold));

        AssertClose(expected, Run(model), fold ? Rounding : 0);
    }

    [Fact]
    public void A_raised_operator_set_changes_nothing()
    {
        var model = FashionSample.Model();
        var expected = Run(model);

        OpsetUpgrade.Raise(model, OpsetUpgrade.MaxTarget);

        AssertClose(expected, Run(model), 0);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void Integer_weights_compute_what_their_float_values_do(int bits)
    {
        var integers = FashionSample.Model();
        var floats = integers.Clone();
        foreach (var (integer, real) in ModelPartition.Of(integers).Layers.Zip(ModelPartition.Of(floats).Layers).ToList())
        {
            var (codes, scales, zeros) = Nearest(LayerMatrix.Read(integer), integer.Rows, bits);
            LayerMatrix.Write(real, QuantizedWeights.Dequantize(codes, scales, zeros));
            Assert.Null(QuantizedWeights.Apply(integers, integer, codes, scales, zeros, bits).Reason);
        }

        AssertClose(Run(floats), Run(integers), Rounding);
    }

    private float[] Run(OnnxModel model)
    {
        using var session = new ModelRuntime(_environment).Open(model);
        using var file = FashionSample.Calibration();
        var logits = new List<float>();
        foreach (var batch in DataSet.Match(file, session.Inputs, FashionSample.Preprocess).Batches(0, Samples, Samples))
        {
            using var outputs = session.Run(batch.Names, batch.Values, ["logits"]);
            logits.AddRange(outputs[0].AsSpan<float>());
        }
        return [.. logits];
    }

    private static (int[] Codes, float[] Scales, int[] Zeros) Nearest(float[] matrix, int rows, int bits)
    {
        var (columns, top) = (matrix.Length / rows, (1 << bits) - 1);
        var (codes, scales, zeros) = (new int[matrix.Length], new float[rows], new int[rows]);
        for (var i = 0; i < rows; i++)
        {
            var row = matrix.Skip(i * columns).Take(columns).ToArray();
            var (min, max) = (Math.Min(0, row.Min()), Math.Max(0, row.Max()));
            scales[i] = (max - min) / top;
            zeros[i] = (int)MathF.Round(-min / scales[i]);
            for (var j = 0; j < columns; j++)
                codes[(i * columns) + j] = Math.Clamp((int)MathF.Round(row[j] / scales[i]) + zeros[i], 0, top);
        }
        return (codes, scales, zeros);
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(Samples * 10, expected.Length);
        var difference = Math.Sqrt(expected.Zip(actual, (e, a) => ((double)e - a) * ((double)e - a)).Sum());
        var norm = Math.Sqrt(expected.Sum(e => (double)e * e));
        Assert.InRange(difference, 0, tolerance * norm);
    }
}
