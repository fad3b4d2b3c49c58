namespace Orchestrator.Cli.Evaluating;

/// <summary>What <c>orc eval --json</c> prints. Field names are a contract (design.md section 8).</summary>
/// <param name="Metric">The metric's name.</param>
/// <param name="Value">Percent 0 to 100 for top1 and top5.</param>
/// <param name="LatencyMs">Median of single runs, for one sample.</param>
/// <param name="SizeBytes">External data included.</param>
/// <param name="Against">The same of the other model, where the metric is one that each model has for itself.</param>
internal sealed record EvalResult(string Metric, double Value, int Samples, double LatencyMs, long SizeBytes, EvalFigures? Against);

internal sealed record EvalFigures(double Value, double LatencyMs, long SizeBytes);
