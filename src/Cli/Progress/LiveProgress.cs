using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Estimates;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Orchestrator.Cli.Progress;

/// <summary>Progress on a terminal: one bar with phase, units and remaining time, redrawn in place.</summary>
internal sealed class LiveProgress(IAnsiConsole console, TimeProvider clock, JobEstimate? estimate = null) : IProgressView
{
    private const int NameLength = 28;

    public Task<T> ShowAsync<T>(Func<IProgressSink, Task<T>> work) => console.Progress()
        .AutoClear(true)
        .Columns(new SpinnerColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingColumn())
        .StartAsync(async context =>
        {
            var bar = context.AddTask("starting", maxValue: 1);
            return await work(new Sink(console, bar, new EtaEstimator(clock, estimate)));
        });

    private sealed class Sink(IAnsiConsole console, ProgressTask bar, EtaEstimator eta) : IProgressSink
    {
        public void Update(ProgressSnapshot snapshot)
        {
            var current = snapshot.Current is { } layer ? " " + Figures.Shorten(layer, NameLength) : "";
            bar.Description = StringExtensions.EscapeMarkup($"{snapshot.Phase}{current}  {snapshot.Done}/{snapshot.Total}");
            bar.Value = eta.Fraction(snapshot);
            bar.State.Update<TimeSpan>(RemainingColumn.Key, _ => eta.Update(snapshot) ?? TimeSpan.Zero);
        }

        public void Note(string text) => console.WriteLine(text);
    }

    private sealed class RemainingColumn : ProgressColumn
    {
        public const string Key = "remaining";

        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            var left = task.State.Get<TimeSpan>(Key);
            return new Text(left > TimeSpan.Zero ? $"{Figures.Duration(left.TotalSeconds)} left" : "", new Style(Color.Grey));
        }
    }
}
