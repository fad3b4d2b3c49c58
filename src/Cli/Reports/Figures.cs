using System.Globalization;

namespace Orchestrator.Cli.Reports;

/// <summary>Numbers as people read them. One place, so that console and page agree.</summary>
internal static class Figures
{
    public const string None = "–";

    private static readonly string[] s_byteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];
    private static readonly string[] s_countUnits = ["", " k", " M", " G", " T"];

    public static string Bytes(long? bytes) => bytes is { } value ? Scaled(value, 1024, s_byteUnits, " ") : None;

    public static string Count(long count) => count < 10_000 ? count.ToString("#,0", CultureInfo.InvariantCulture) : Scaled(count, 1000, s_countUnits, "");

    /// <param name="fraction">0 to 1.</param>
    public static string Percent(double? fraction) => fraction is { } value ? (value * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %" : None;

    public static string Bits(double bits) => bits.ToString("0.##", CultureInfo.InvariantCulture);

    public static string Milliseconds(double? value) => value is { } ms ? Significant(ms) + " ms" : None;

    /// <summary>Three significant digits, exponent only where it is shorter to read.</summary>
    public static string Significant(double? value) => value switch
    {
        null => None,
        0 => "0",
        { } number when !double.IsFinite(number) => None,
        { } number when Math.Abs(number) is >= 1e5 or < 1e-3 => number.ToString("0.00e0", CultureInfo.InvariantCulture),
        { } number => number.ToString(Math.Abs(number) switch { >= 100 => "0", >= 10 => "0.0", >= 1 => "0.00", >= 0.1 => "0.000", >= 0.01 => "0.0000", _ => "0.00000" }, CultureInfo.InvariantCulture),
    };

    public static string Duration(double seconds) => seconds switch
    {
        < 0.0095 => "0 s",
        < 10 => seconds.ToString("0.00", CultureInfo.InvariantCulture) + " s",
        < 60 => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        < 3600 => $"{(int)seconds / 60} min {(int)seconds % 60:00} s",
        _ => $"{(long)seconds / 3600} h {(long)seconds % 3600 / 60:00} min",
    };

    /// <summary>A metric's value: percent for accuracies, a plain number otherwise.</summary>
    public static string Metric(double? value, string? name) => value is not { } number
        ? None
        : IsPercent(name) ? number.ToString("0.00", CultureInfo.InvariantCulture) + " %" : number.ToString("0.00000", CultureInfo.InvariantCulture);

    /// <summary>The change of a metric with its sign: points for accuracies.</summary>
    public static string Change(double before, double after, string? name)
    {
        var change = after - before;
        return IsPercent(name)
            ? change.ToString("+0.00;−0.00;±0.00", CultureInfo.InvariantCulture) + " points"
            : change.ToString("+0.00000;−0.00000;±0", CultureInfo.InvariantCulture);
    }

    public static string MetricTitle(string? name) => name switch
    {
        "top1" => "Top-1 accuracy",
        "top5" => "Top-5 accuracy",
        "nll" => "Negative log-likelihood",
        "cosine" => "Cosine to the float model",
        "mse" => "Squared error to the float model",
        null => "Metric",
        _ => name,
    };

    public static bool IsPercent(string? metric) => metric is "top1" or "top5";

    /// <summary>Cuts a long name in front: the end tells layers apart.</summary>
    public static string Shorten(string name, int length) => name.Length <= length ? name : "…" + name[^(length - 1)..];

    private static string Scaled(double value, double step, string[] units, string gap)
    {
        var unit = 0;
        while (Math.Abs(value) >= step && unit < units.Length - 1)
        {
            value /= step;
            unit++;
        }

        var digits = unit == 0 || value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00";
        return value.ToString(digits, CultureInfo.InvariantCulture) + gap + units[unit];
    }
}
