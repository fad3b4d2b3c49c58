using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Data;

/// <summary>
/// The arrays of a data file, each feeding the model input of its name; a lone array besides <c>labels</c> feeds a lone input. The first
/// dimension counts samples. Batches are read from the file one after another, so memory holds one batch. Not thread-safe.
/// </summary>
public sealed class DataSet
{
    private readonly DataFile _file;
    private readonly IReadOnlyList<(ValueDescription Input, string Array)> _matches;
    private readonly Preprocess _preprocess;

    private DataSet(DataFile file, IReadOnlyList<(ValueDescription Input, string Array)> matches, Preprocess preprocess)
    {
        _file = file;
        _matches = matches;
        _preprocess = preprocess;
        Samples = checked((int)file.Arrays[matches[0].Array].Shape[0]);
    }

    public int Samples { get; }

    /// <summary>Whether the file says what is right for each sample.</summary>
    public bool HasLabels => _file.Arrays.ContainsKey(DataFile.Labels);

    /// <summary>Matches arrays and inputs.</summary>
    /// <param name="inputs">The model's inputs, or those of a part of it.</param>
    /// <param name="preprocess">Applied to floating-point inputs: (x·scale − mean) / std with one mean and std for each entry of the second dimension, or one for all.</param>
    /// <exception cref="InputException">An input has no array, or one of another shape or type; arrays differ in their number of samples.</exception>
    public static DataSet Match(DataFile file, IReadOnlyList<ValueDescription> inputs, Preprocess preprocess)
    {
        var candidates = file.Arrays.Keys.Where(name => name != DataFile.Labels).ToArray();
        var matches = inputs.Select(input => (input, ArrayFor(file, input, candidates, inputs.Count))).ToArray();
        if (matches.Length == 0)
            throw new ArgumentException("The model has no inputs.", nameof(inputs));
        foreach (var (input, array) in matches)
            ArrayFeed.Check(input, file.Arrays[array], file.SubjectOf(array), preprocess);
        if (file.Arrays.TryGetValue(DataFile.Labels, out var labels) && labels.Type.IsFloat())
        {
            throw new InputException(
                "data-type", file.SubjectOf(DataFile.Labels), $"'{file.SubjectOf(DataFile.Labels)}' is {labels.Type.Display()}; labels are integers.", "Convert it with astype('int64').");
        }

        CheckSamples(file, matches.Select(match => match.Item2));
        return new DataSet(file, matches, preprocess);
    }

    /// <summary>
    /// Samples <paramref name="first"/> to <paramref name="first"/> + <paramref name="count"/> − 1 in order, <paramref name="batch"/> at a
    /// time; the last batch may be smaller. A batch is valid until the next is asked for.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is outside the file.</exception>
    /// <exception cref="InputException">An element is NaN or infinite or does not fit its input; the file is damaged.</exception>
    public IEnumerable<DataBatch> Batches(int first, int count, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)first + count, Samples, nameof(count));
        return ReadBatches(first, count, batch);
    }

    private IEnumerable<DataBatch> ReadBatches(int first, int count, int batch)
    {
        var feeds = new List<ArrayFeed>();
        try
        {
            foreach (var (input, array) in _matches)
                feeds.Add(ArrayFeed.Open(_file, array, input, _preprocess, first));
            using var labels = HasLabels ? ArrayFeed.OpenLabels(_file, first) : null;
            string[] names = [.. _matches.Select(match => match.Input.Name)];
            for (var done = 0; done < count; done += batch)
            {
                var samples = Math.Min(batch, count - done);
                using var result = new DataBatch(first + done, samples, names, [.. feeds.Select(feed => feed.Read(samples))], labels?.ReadLongs(samples) ?? []);
                yield return result;
            }
        }
        finally
        {
            foreach (var feed in feeds)
                feed.Dispose();
        }
    }

    private static string ArrayFor(DataFile file, ValueDescription input, string[] candidates, int inputCount)
    {
        if (candidates.Contains(input.Name))
            return input.Name;
        if (candidates.Length == 1 && inputCount == 1)
            return candidates[0];
        throw new InputException(
            "data-input-missing", file.Name, $"No array of '{file.Name}' feeds the model's input '{input.Name}'; it holds {string.Join(", ", file.Arrays.Select(entry => $"{entry.Key}: {entry.Value}"))}.",
            $"Name an array '{input.Name}', or give a model with one input one array besides '{DataFile.Labels}'.");
    }

    private static void CheckSamples(DataFile file, IEnumerable<string> arrays)
    {
        var used = file.Arrays.ContainsKey(DataFile.Labels) ? arrays.Append(DataFile.Labels) : arrays;
        var counts = used.Select(array => (array, samples: file.Arrays[array].Shape.Count == 0 ? 0 : file.Arrays[array].Shape[0])).ToArray();
        if (counts.All(entry => entry.samples == counts[0].samples && entry.samples is > 0 and <= int.MaxValue))
            return;
        throw new InputException(
            "data-shape", file.Name, $"The arrays of '{file.Name}' do not have one number of samples: {string.Join(", ", counts.Select(entry => $"{entry.array} {entry.samples}"))}.",
            "Give every array the same first dimension, at least 1.");
    }
}
