using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>algorithms.md 3.5 and 3.8: roundings at a constant rate, step sizes along half a cosine; the factor after an explosion is both's.</summary>
public sealed class StepRatesTests
{
    private const int Iterations = 100;

    // Rounding of a cosine in double.
    private const double Tolerance = 1e-15;

    [Fact]
    public void Weights_have_a_constant_rate_and_a_schedule()
    {
        var rates = Of(ReconstructionPhase.Weights, Weights, factor: 0.1);
        Assert.Equal((1e-4, 0, 20, 0), rates.At(1));
        Assert.Equal((1e-4, 0, 2, 0.01), rates.At(Iterations));
    }

    [Fact]
    public void Step_sizes_have_half_a_cosine_and_no_schedule()
    {
        var rates = Of(ReconstructionPhase.Activations, Weights with { Lambda = null, Rate = 4e-4 }, factor: 0.5);
        Assert.Equal((0, 2e-4, 1, 0), rates.At(1));
        Assert.Equal(1e-4, rates.At(1 + Iterations / 2).ScaleRate, Tolerance);
        Assert.InRange(rates.At(Iterations).ScaleRate, 0, 2e-4 / Iterations / 10);
    }

    [Fact]
    public void Both_have_their_own_when_they_are_tuned_together()
    {
        var rates = Of(ReconstructionPhase.Joint, Weights with { ActivationRate = 4e-5 }, factor: 1);
        Assert.Equal((1e-3, 4e-5, 20, 0), rates.At(1));
        Assert.Equal((1e-3, 0.01), (rates.At(1 + Iterations / 2).Rate, rates.At(1 + Iterations / 2).PenaltyWeight));
        Assert.Equal(2e-5, rates.At(1 + Iterations / 2).ScaleRate, Tolerance);
    }

    [Fact]
    public void Parameters_of_another_phase_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Of(ReconstructionPhase.Joint, Weights, factor: 1));
        Assert.Throws<ArgumentException>(() => Of(ReconstructionPhase.Weights, Weights with { Lambda = null }, factor: 1));
    }

    private static ReconstructionParameters Weights { get; } = new()
    {
        Iterations = Iterations, Batch = 32, Rate = 1e-3, Seed = 0, Loss = ReconstructionLoss.Mse, Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
    };

    private static StepRates Of(ReconstructionPhase phase, ReconstructionParameters parameters, double factor) =>
        StepRates.Of(new ReconstructionProblem(Empty(), [], parameters, Seed: 0, factor, LossBatch: 1) { Phase = phase });

    private static OnnxModel Empty()
    {
        var builder = new GraphBuilder(17);
        builder.Output(builder.Identity(builder.Input("x", ElementType.Float32, 1)));
        return builder.Build();
    }
}
