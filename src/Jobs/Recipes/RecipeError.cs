namespace Orchestrator.Jobs.Recipes;

/// <param name="Line">Counted from 1.</param>
/// <param name="Path">The key, for example <c>compress[0].sparsity</c>; empty for the document itself.</param>
/// <param name="Message">Cause and valid values.</param>
/// <param name="IsNewer">The recipe asks for something that only a newer version can do.</param>
public sealed record RecipeError(int Line, string Path, string Message, bool IsNewer = false)
{
    public override string ToString() => Path.Length == 0 ? $"line {Line}: {Message}" : $"line {Line}, {Path}: {Message}";
}

/// <summary>Collects what is wrong, so that a user sees all of it at once.</summary>
internal sealed class RecipeErrors
{
    /// <summary>As many as anyone reads. A file that is no recipe at all has one on every line.</summary>
    private const int MaxErrors = 100;

    private readonly List<RecipeError> _errors = [];
    private int _left;

    public IReadOnlyList<RecipeError> InOrder =>
        [.. _errors.OrderBy(error => error.Line), .. _left == 0 ? Array.Empty<RecipeError>() : [new RecipeError(_errors.Max(error => error.Line), "", $"{_left} more errors follow")]];

    public bool Any => _errors.Count > 0;

    public void Add(int line, string path, string message) => Keep(new RecipeError(line, path, message));

    public void AddNotYet(int line, string path, string message) =>
        Keep(new RecipeError(line, path, $"{message} is not available in this version", IsNewer: true));

    private void Keep(RecipeError error)
    {
        if (_errors.Count < MaxErrors)
            _errors.Add(error);
        else
            _left++;
    }
}
