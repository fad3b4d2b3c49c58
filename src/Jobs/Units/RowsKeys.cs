using System.Globalization;
using System.Text;

namespace Orchestrator.Jobs.Units;

/// <summary>
/// Keys of the units of one stage, which differ in their rows and inputs only: the rest of the hashed document is made once, so that
/// a million keys take seconds. The same keys as <see cref="UnitKeys.Compute(UnitKind, UnitSpec, IEnumerable{KeyInput}, string)"/> gives.
/// </summary>
public sealed class RowsKeys
{
    // Numbers that no layer has and that no shape or parameter of a spec is likely to repeat; a clash is found and refused.
    private const int FirstRow = 2_111_111_111;
    private const int Rows = 2_122_222_222;
    private const int WeightsFirstRow = 2_133_333_333;

    private readonly RowsSpec _spec;
    private readonly string[] _pieces;

    public RowsKeys(UnitKind kind, RowsSpec spec, string profile)
    {
        _spec = spec;
        var marked = spec with { FirstRow = FirstRow, Rows = Rows, WeightsFirstRow = WeightsFirstRow };
        var document = Encoding.UTF8.GetString(CanonicalJson.Serialize(UnitKeys.Document(kind, marked, [], profile)));
        var tail = document[document.IndexOf("\"kind\"", StringComparison.Ordinal)..];
        _pieces = tail.Split([Text(FirstRow), Text(Rows), Text(WeightsFirstRow)], StringSplitOptions.None);
        if (_pieces.Length != 4)
            throw new ArgumentException("The spec repeats a number that marks where the rows are written.", nameof(spec));
    }

    /// <summary>Whether the spec is of this stage.</summary>
    public bool Covers(RowsSpec spec) => spec with { FirstRow = _spec.FirstRow, Rows = _spec.Rows, WeightsFirstRow = _spec.WeightsFirstRow } == _spec;

    public string Compute(RowsSpec spec, IEnumerable<KeyInput> inputs)
    {
        var tail = string.Concat(_pieces[0], Text(spec.FirstRow), _pieces[1]) + string.Concat(Text(spec.Rows), _pieces[2], Text(spec.WeightsFirstRow), _pieces[3]);
        return UnitKeys.Hash(inputs, Encoding.UTF8.GetBytes(tail));
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
