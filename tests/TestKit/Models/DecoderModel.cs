using System.Runtime.InteropServices;
using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Models;

/// <summary>Sizes of a decoder; defaults are those of a small one.</summary>
public sealed record DecoderShape
{
    public int Blocks { get; init; } = 2;
    public int Hidden { get; init; } = 128;
    public int Heads { get; init; } = 4;
    public int Intermediate { get; init; } = 256;
    public int Vocabulary { get; init; } = 512;

    /// <summary>Tokens of a sequence.</summary>
    public int Tokens { get; init; } = 16;

    public long Parameters => (2L * Vocabulary * Hidden) + (Blocks * ((4L * Hidden * Hidden) + (3L * Hidden * Intermediate) + (2L * Hidden))) + Hidden;
}

/// <summary>
/// A decoder as Llama's: embedding, root-mean-square norms, q, k, v and o around causal attention, a gated network, residuals, and a head over
/// the vocabulary. Weights are random; the large ones go straight into the data file, so that a model of any size can be made in little memory.
/// </summary>
public sealed class DecoderModel
{
    private const int Opset = 17;
    private const int PieceLength = 1 << 18;
    private const float Epsilon = 1e-5f;

    private readonly DecoderShape _shape;
    private readonly GraphBuilder _builder = new(Opset, "decoder");
    private readonly Dictionary<string, long> _offsets = new(StringComparer.Ordinal);
    private readonly Stream _data;
    private readonly string _dataPath;
    private readonly Random _random;

    private DecoderModel(DecoderShape shape, string dataPath, Stream data, int seed) =>
        (_shape, _dataPath, _data, _random) = (shape, dataPath, data, new Random(seed));

    /// <summary>Writes the model to <paramref name="path"/> and its weights to <c>{path}.data</c>.</summary>
    public static void Write(string path, DecoderShape shape, int seed = 1)
    {
        var dataPath = $"{path}.data";
        using (var data = File.Create(dataPath))
        {
            var decoder = new DecoderModel(shape, dataPath, data, seed);
            var model = decoder.Build();
            data.Flush();
            File.WriteAllBytes(path, model.ToBytes(tensor =>
                decoder._offsets.TryGetValue(tensor.Name, out var offset) ? new ExternalPlace(Path.GetFileName(dataPath), offset) : null));
        }
    }

    private OnnxModel Build()
    {
        var ids = _builder.Input("input_ids", ElementType.Int64, -1, _shape.Tokens);
        var x = _builder.Add("Gather", [Weight("embed_tokens.weight", _shape.Vocabulary, _shape.Hidden, 1), ids]);
        var mask = Mask();
        for (var block = 0; block < _shape.Blocks; block++)
        {
            var name = $"layers.{block}";
            x = _builder.Binary("Add", x, Attention($"{name}.self_attn", Norm($"{name}.input_layernorm", x), mask));
            x = _builder.Binary("Add", x, Gated($"{name}.mlp", Norm($"{name}.post_attention_layernorm", x)));
        }

        var logits = Linear("lm_head", Norm("norm", x), _shape.Hidden, _shape.Vocabulary);
        _builder.Output(logits, "logits", ElementType.Float32, [-1, _shape.Tokens, _shape.Vocabulary]);
        return _builder.Build();
    }

    private string Attention(string name, string x, string mask)
    {
        var (hidden, heads) = (_shape.Hidden, _shape.Heads);
        var q = Heads(Linear($"{name}.q_proj", x, hidden, hidden), 0, 2, 1, 3);
        var k = Heads(Linear($"{name}.k_proj", x, hidden, hidden), 0, 2, 3, 1);
        var v = Heads(Linear($"{name}.v_proj", x, hidden, hidden), 0, 2, 1, 3);
        var scores = _builder.Binary("Mul", _builder.MatMul(q, k), _builder.Scalar(1 / MathF.Sqrt((float)hidden / heads)));
        var attention = _builder.Add("Softmax", [_builder.Binary("Add", scores, mask)], NodeAttribute.Int("axis", -1));
        var mixed = _builder.Reshape(_builder.Transpose(_builder.MatMul(attention, v), 0, 2, 1, 3), 0, _shape.Tokens, hidden);
        return Linear($"{name}.o_proj", mixed, hidden, hidden);
    }

    private string Gated(string name, string x)
    {
        var gate = Linear($"{name}.gate_proj", x, _shape.Hidden, _shape.Intermediate);
        var up = Linear($"{name}.up_proj", x, _shape.Hidden, _shape.Intermediate);
        var silu = _builder.Binary("Mul", gate, _builder.Add("Sigmoid", [gate]));
        return Linear($"{name}.down_proj", _builder.Binary("Mul", silu, up), _shape.Intermediate, _shape.Hidden);
    }

    private string Heads(string value, params long[] order) =>
        _builder.Transpose(_builder.Reshape(value, 0, _shape.Tokens, _shape.Heads, _shape.Hidden / _shape.Heads), order);

    private string Norm(string name, string x)
    {
        var mean = _builder.Reduce("ReduceMean", _builder.Binary("Mul", x, x), keepDimensions: true, -1);
        var root = _builder.Add("Sqrt", [_builder.Binary("Add", mean, _builder.Scalar(Epsilon))]);
        var scale = new float[_shape.Hidden];
        Array.Fill(scale, 1);
        return _builder.Binary("Mul", _builder.Binary("Div", x, root), _builder.Constant(Tensor.FromFloats($"{name}.weight", [_shape.Hidden], scale)));
    }

    private string Mask()
    {
        var tokens = _shape.Tokens;
        var values = new float[tokens * tokens];
        for (var i = 0; i < tokens; i++)
            values.AsSpan((i * tokens) + i + 1, tokens - i - 1).Fill(-1e9f);
        return _builder.Constant(Tensor.FromFloats("causal_mask", [tokens, tokens], values));
    }

    private string Linear(string name, string x, int inputs, int outputs) =>
        _builder.MatMul(x, Weight($"{name}.weight", inputs, outputs, 1 / MathF.Sqrt(inputs)));

    /// <summary>Uniform values of the deviation given.</summary>
    private string Weight(string name, int rows, int columns, float deviation)
    {
        var offset = ExternalLayout.Aligned(_data.Position);
        _data.Write(new byte[offset - _data.Position]);
        var left = (long)rows * columns;
        var bytes = checked((int)(left * sizeof(float)));
        var piece = new float[Math.Min(PieceLength, left)];
        var range = deviation * MathF.Sqrt(12);
        for (; left > 0; left -= Math.Min(piece.Length, left))
        {
            for (var i = 0; i < piece.Length; i++)
                piece[i] = (_random.NextSingle() - 0.5f) * range;
            _data.Write(MemoryMarshal.AsBytes(piece.AsSpan(0, (int)Math.Min(piece.Length, left))));
        }

        _offsets.Add(name, offset);
        return _builder.Constant(Tensor.FromFile(name, ElementType.Float32, [rows, columns], new MappedBytes(() => File.OpenHandle(_dataPath), offset, bytes, name)));
    }
}
