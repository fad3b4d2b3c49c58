using System.Globalization;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Data;

/// <summary>Reads the Python dictionary in an <c>.npy</c> header: exactly the keys descr, fortran_order and shape, nothing evaluated.</summary>
internal sealed class NpyHeaderText(string text, string subject)
{
    private int _position;

    public (string Code, bool Fortran, IReadOnlyList<long> Shape) Parse()
    {
        string? code = null;
        bool? fortran = null;
        IReadOnlyList<long>? shape = null;
        Expect('{');
        while (!Accept('}'))
        {
            var key = Quoted();
            Expect(':');
            switch (key)
            {
                case "descr" when code is null:
                    code = ElementCode();
                    break;
                case "fortran_order" when fortran is null:
                    fortran = Truth();
                    break;
                case "shape" when shape is null:
                    shape = Shape();
                    break;
                default:
                    throw Broken($"unexpected entry '{key}'");
            }

            if (!Accept(','))
            {
                Expect('}');
                break;
            }
        }

        SkipSpace();
        if (_position != text.Length)
            throw Broken("text after its dictionary");
        return (code ?? throw Broken("no 'descr'"), fortran ?? throw Broken("no 'fortran_order'"), shape ?? throw Broken("no 'shape'"));
    }

    private string ElementCode()
    {
        SkipSpace();
        return _position < text.Length && text[_position] is '\'' or '"'
            ? Quoted()
            : throw NpyHeader.Malformed(subject, "holds records with fields, not plain numbers");
    }

    private List<long> Shape()
    {
        var shape = new List<long>();
        Expect('(');
        while (!Accept(')'))
        {
            shape.Add(Number());
            if (!Accept(','))
            {
                Expect(')');
                break;
            }
        }

        return shape;
    }

    private long Number()
    {
        SkipSpace();
        var start = _position;
        while (_position < text.Length && char.IsAsciiDigit(text[_position]))
            _position++;
        return long.TryParse(text.AsSpan(start, _position - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Broken("a shape that is no tuple of numbers");
    }

    private bool Truth()
    {
        SkipSpace();
        foreach (var (word, value) in new[] { ("True", true), ("False", false) })
        {
            if (!text.AsSpan(_position).StartsWith(word, StringComparison.Ordinal))
                continue;
            _position += word.Length;
            return value;
        }

        throw Broken("a 'fortran_order' that is neither True nor False");
    }

    private string Quoted()
    {
        SkipSpace();
        if (_position >= text.Length || text[_position] is not ('\'' or '"'))
            throw Broken("a key or value without quotes");
        var end = text.IndexOf(text[_position], _position + 1);
        if (end < 0)
            throw Broken("a quote that does not end");
        var value = text[(_position + 1)..end];
        _position = end + 1;
        return value;
    }

    private bool Accept(char expected)
    {
        SkipSpace();
        if (_position >= text.Length || text[_position] != expected)
            return false;
        _position++;
        return true;
    }

    private void Expect(char expected)
    {
        if (!Accept(expected))
            throw Broken($"no '{expected}' at position {_position}");
    }

    private void SkipSpace()
    {
        while (_position < text.Length && text[_position] is ' ' or '\n')
            _position++;
    }

    private InputException Broken(string problem) => NpyHeader.Malformed(subject, $"has a broken .npy header: {problem}");
}
