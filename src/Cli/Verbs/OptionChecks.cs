using Orchestrator.Jobs;

namespace Orchestrator.Cli.Verbs;

/// <summary>Values of options that the parser alone cannot judge.</summary>
internal static class OptionChecks
{
    public const string Code = "option-invalid";

    public static void OneOf(string option, string value, IReadOnlyCollection<string> words)
    {
        if (!words.Contains(value))
            throw new InputException(Code, option, $"'{value}' is not known", $"Valid: {string.Join(", ", words)}.");
    }

    public static void Within(string option, long value, long min, long max)
    {
        if (value < min || value > max)
            throw new InputException(Code, option, $"{value} is out of range", $"Give a whole number from {min} to {max}.");
    }

    public static void Within(string option, double value, double min, double max)
    {
        if (!(value >= min && value <= max))
            throw new InputException(Code, option, $"{value} is out of range", $"Give a number from {min} to {max}.");
    }
}
