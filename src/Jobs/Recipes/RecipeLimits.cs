namespace Orchestrator.Jobs.Recipes;

/// <summary>Bounds of what a recipe may say.</summary>
public static class RecipeLimits
{
    /// <summary>Size of the text in bytes.</summary>
    public const int Bytes = 1 << 20;

    public const int Depth = 20;
    public const int MinBits = 2;
    public const int MaxBits = 8;

    /// <summary>Largest group of an N:M pattern and largest block.</summary>
    public const int GroupSize = 1024;

    public const int PatternLength = 1000;

    public const int PathLength = 4096;

    /// <summary>Rules in <c>layers</c>: each is held against every layer.</summary>
    public const int Rules = 1000;

    /// <summary>Steps of an optimiser, and samples of a step.</summary>
    public const int Iterations = 10_000_000;

    /// <summary>Steps in <c>compress</c>.</summary>
    public const int Steps = 32;
}
