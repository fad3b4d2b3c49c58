using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary>What deviated, what was left alone and why, and where the model comes from.</summary>
internal static class HtmlNotes
{
    public static XElement? Rescues(JobReport report)
    {
        var notes = report.Rescues.Select(rescue => Note(rescue.Layer ?? "whole model", rescue.Kind, rescue.Detail))
            .Concat(report.Reverted.Select(layer => Note(layer, "reverted", "put back to float because the goal was missed")))
            .ToList();
        return notes.Count == 0 ? null : Markup.Section("Rescues",
            Markup.Element("p", "dim", "Where the job had to deviate from what was asked for, so that it could go on."),
            Markup.Table("notes", Heads("Layer", "What", "Detail"), notes));
    }

    public static XElement? LeftAlone(JobReport report)
    {
        var notes = report.Layers.Where(layer => layer.Reason is not null)
            .Select(layer => Note(layer.Name, layer.Status, layer.Reason ?? ""))
            .ToList();
        return notes.Count == 0 ? null : Markup.Section("Remarks on layers", Markup.Table("notes", Heads("Layer", "Status", "Reason"), notes));
    }

    public static XElement Origin(Provenance provenance)
    {
        var facts = new List<(string Name, string Value, string? Digest)>
        {
            ("Model", provenance.Model.File, provenance.Model.Sha256),
            ("Calibration", provenance.Calibration.File, provenance.Calibration.Sha256),
        };
        if (provenance.Evaluation is { } evaluation)
            facts.Add(("Evaluation", evaluation.File, evaluation.Sha256));
        facts.AddRange(
        [
            ("Recipe", provenance.Recipe.File, provenance.Recipe.Sha256),
            ("Plan", "", provenance.PlanSha256),
            ("Result", provenance.ResultSha256 is null ? "no model" : "model.onnx", provenance.ResultSha256),
            ("Job", provenance.Job, null),
            ("Seed", provenance.Seed.ToString(), null),
            ("Numeric profile", provenance.Profile, null),
            ("Orchestrator", provenance.Product.Version, null),
            ("ONNX Runtime", provenance.Product.OnnxRuntime, null),
        ]);
        return Markup.Section("Provenance", Markup.Element("dl", null,
            [.. facts.SelectMany(fact => new[] { Markup.Element("dt", null, fact.Name), Fact(fact.Value, fact.Digest) })]));
    }

    private static XElement Fact(string value, string? digest) => Markup.Element("dd", null,
        value, digest is null ? null : Markup.Element("code", null, digest));

    private static IEnumerable<XElement> Heads(params string[] heads) => heads.Select(head => Markup.Element("th", null, head));

    private static XElement Note(string layer, string what, string detail) => Markup.Element("tr", null,
        Markup.Element("th", null, layer), Markup.Element("td", null, Markup.Element("span", "badge warn", what)), Markup.Element("td", null, detail));
}
