using Orchestrator.Jobs;

namespace Orchestrator.Compression.Evaluation;

/// <summary>A figure of merit: a sum over samples, or over positions, and what it is divided by.</summary>
public sealed class Metric
{
    private const int Top5 = 5;

    private readonly Accumulate _accumulate;

    private Metric(string name, bool needsLabels, bool needsReference, Accumulate accumulate)
    {
        Name = name;
        NeedsLabels = needsLabels;
        NeedsReference = needsReference;
        _accumulate = accumulate;
    }

    /// <returns>What to add to the sum for one sample.</returns>
    private delegate double Accumulate(string subject, ReadOnlySpan<float> output, ReadOnlySpan<float> reference, ReadOnlySpan<long> labels);

    public string Name { get; }

    public bool NeedsLabels { get; }

    /// <summary>Whether outputs are compared with those of the float model.</summary>
    public bool NeedsReference { get; }

    /// <exception cref="InputException">No metric of that name.</exception>
    public static Metric Of(string name) => name switch
    {
        "top1" => new(name, true, false, (subject, output, _, labels) => TopK(subject, output, labels, 1)),
        "top5" => new(name, true, false, (subject, output, _, labels) => TopK(subject, output, labels, Top5)),
        "nll" => new(name, true, false, (subject, output, _, labels) => CrossEntropy(subject, output, labels)),
        "cosine" => new(name, false, true, (_, output, reference, _) => Cosine(output, reference)),
        "mse" => new(name, false, true, (_, output, reference, _) => MeanSquaredError(output, reference)),
        _ => throw new InputException("metric-unknown", name, $"There is no metric '{name}'.", "Use top1, top5, nll, cosine or mse."),
    };

    /// <summary>The sum over consecutive samples of equal size.</summary>
    /// <param name="subject">The data file, for messages.</param>
    /// <param name="reference">The float model's output, or empty.</param>
    /// <param name="labels">Labels of all samples, or empty.</param>
    /// <returns>Sum, and count: samples, or labels where a sample has several.</returns>
    /// <exception cref="InputException">A label is outside the classes.</exception>
    public (double Sum, long Count) Sum(string subject, int samples, ReadOnlySpan<float> output, ReadOnlySpan<float> reference, ReadOnlySpan<long> labels)
    {
        var (outputSize, labelSize) = (output.Length / samples, labels.Length / samples);
        var sum = 0.0;
        for (var sample = 0; sample < samples; sample++)
        {
            sum += _accumulate(
                subject,
                output.Slice(sample * outputSize, outputSize),
                NeedsReference ? reference.Slice(sample * outputSize, outputSize) : [],
                labels.Slice(sample * labelSize, labelSize));
        }

        return (sum, NeedsLabels ? labels.Length : samples);
    }

    private static double TopK(string subject, ReadOnlySpan<float> logits, ReadOnlySpan<long> labels, int k)
    {
        var classes = Classes(logits, labels);
        var hits = 0;
        for (var position = 0; position < labels.Length; position++)
        {
            var scores = logits.Slice(position * classes, classes);
            var label = Checked(subject, labels[position], classes);
            var better = 0;
            for (var c = 0; c < classes; c++)
            {
                // Among equal scores the lowest class comes first, as with argmax.
                if (scores[c] > scores[label] || (scores[c] == scores[label] && c < label))
                    better++;
            }

            if (better < k && !float.IsNaN(scores[label]))
                hits++;
        }

        return hits;
    }

    private static double CrossEntropy(string subject, ReadOnlySpan<float> logits, ReadOnlySpan<long> labels)
    {
        var classes = Classes(logits, labels);
        var sum = 0.0;
        for (var position = 0; position < labels.Length; position++)
        {
            var scores = logits.Slice(position * classes, classes);
            var largest = float.NegativeInfinity;
            foreach (var score in scores)
                largest = Math.Max(largest, score);
            var normalizer = 0.0;
            foreach (var score in scores)
                normalizer += Math.Exp(score - (double)largest);
            sum += Math.Log(normalizer) + largest - scores[Checked(subject, labels[position], classes)];
        }

        return sum;
    }

    private static double Cosine(ReadOnlySpan<float> output, ReadOnlySpan<float> reference)
    {
        var (dot, own, other) = (0.0, 0.0, 0.0);
        for (var i = 0; i < output.Length; i++)
        {
            dot += (double)output[i] * reference[i];
            own += (double)output[i] * output[i];
            other += (double)reference[i] * reference[i];
        }

        // Two zero outputs are the same output.
        return own == 0 && other == 0 ? 1 : own == 0 || other == 0 ? 0 : dot / Math.Sqrt(own * other);
    }

    private static double MeanSquaredError(ReadOnlySpan<float> output, ReadOnlySpan<float> reference)
    {
        var sum = 0.0;
        for (var i = 0; i < output.Length; i++)
        {
            var difference = (double)output[i] - reference[i];
            sum += difference * difference;
        }

        return sum / output.Length;
    }

    private static int Classes(ReadOnlySpan<float> logits, ReadOnlySpan<long> labels) => labels.Length == 0 ? 0 : logits.Length / labels.Length;

    private static int Checked(string subject, long label, int classes) => label >= 0 && label < classes
        ? (int)label
        : throw new InputException("label-out-of-range", subject, $"A label of '{subject}' is {label}, but the model has {classes} classes.", "Give labels from 0 to the number of classes minus 1.");
}
