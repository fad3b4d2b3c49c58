using System.Runtime.InteropServices;
using Orchestrator.Compression.Models;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Zoo.Tests.Running;

/// <summary>One output of a run; no bytes where it is no tensor of fixed-size elements.</summary>
internal sealed record Result(string Name, ElementType Type, long[] Shape, byte[] Bytes)
{
    public double[] Reals => Type switch
    {
        ElementType.Float => [.. MemoryMarshal.Cast<byte, float>(Bytes).ToArray()],
        ElementType.Double => MemoryMarshal.Cast<byte, double>(Bytes).ToArray(),
        ElementType.Float16 => [.. MemoryMarshal.Cast<byte, Half>(Bytes).ToArray().Select(v => (double)v)],
        _ => [],
    };

    public override string ToString() => $"{Name}: {Type}[{string.Join(',', Shape)}]";
}

/// <summary>Runs models in ONNX Runtime as the product does: one thread, deterministic kernels.</summary>
internal sealed class ModelRun(bool optimized = true) : IDisposable
{
    private readonly OrtEnvironment _environment = new(LoggingLevel.Fatal);

    public void Dispose() => _environment.Dispose();

    /// <param name="feeds">From the session's inputs.</param>
    public IReadOnlyList<Result> Run(ReadOnlySpan<byte> model, RandomFeeds feeds)
    {
        using var session = Open(model);
        return Run(session, feeds.For(session.Inputs));
    }

    public IReadOnlyList<Result> Run(ReadOnlySpan<byte> model, IReadOnlyList<Feed> feeds)
    {
        using var session = Open(model);
        return Run(session, feeds);
    }

    public Session Open(ReadOnlySpan<byte> model)
    {
        var options = new ModelRuntime(_environment).Options();
        options.OptimizationLevel = optimized ? GraphOptimizationLevel.All : GraphOptimizationLevel.None;
        return Session.FromBytes(_environment, model, options);
    }

    public static IReadOnlyList<Result> Run(Session session, IReadOnlyList<Feed> feeds)
    {
        var inputs = feeds.Select(feed => feed.ToValue()).ToList();
        try
        {
            using var outputs = session.Run([.. feeds.Select(feed => feed.Name)], inputs, [.. session.Outputs.Select(output => output.Name)]);
            return [.. session.Outputs.Zip(outputs, Read)];
        }
        finally
        {
            inputs.ForEach(input => input.Dispose());
        }
    }

    private static Result Read(ValueDescription output, OrtValue value) =>
        new(output.Name, value.ElementType, value.Shape.ToArray(), value.IsTensor && value.ElementType != ElementType.String ? value.AsBytes().ToArray() : []);
}
