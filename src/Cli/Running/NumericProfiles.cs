using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Cli.Running;

/// <summary>Picks the numeric profile of a job for this machine.</summary>
internal static class NumericProfiles
{
    private const string Cpu = "cpu";
    private const string Auto = "auto";
    private const int FirstDevice = 0;
    private const int ProbeOpset = 13;

    /// <param name="device">A device by name; <c>auto</c> takes that of a forced profile, else the CPU, the one on which every kernel is deterministic.</param>
    /// <param name="forced">A whole profile or a kernel width alone; null takes the widest.</param>
    /// <exception cref="InputException">This machine or its ONNX Runtime has no such device or profile.</exception>
    public static string Choose(string device, string? forced)
    {
        var best = new NumericProfile(KernelWidths.Name(KernelWidths.Best), device == Auto ? Cpu : device, OrtEnvironment.RuntimeVersion);
        var profile = best;
        if (forced is not null)
        {
            profile = (KernelWidths.Parse(forced) is null ? NumericProfile.Parse(forced) : best with { Width = forced })
                ?? throw Refused(forced, "is not a numeric profile", best);
            if (KernelWidths.Parse(profile.Width) is not { } width)
                throw Refused(forced, "is not a numeric profile", best);
            if (!KernelWidths.Supported.Contains(width))
                throw Refused(forced, $"needs {profile.Width} kernels, which this machine does not have", best);
            if (device != Auto && profile.Provider != best.Provider)
                throw Refused(forced, $"is for the device '{profile.Provider}', and --device asks for '{device}'", best);
            if (profile.Runtime != best.Runtime)
                throw Refused(forced, $"needs ONNX Runtime {profile.Runtime}, this is {best.Runtime}", best);
        }

        Probe(profile);
        return profile.ToString();
    }

    /// <summary>Kernel width of a profile that <see cref="Choose"/> gave.</summary>
    public static KernelWidth WidthOf(string profile) =>
        KernelWidths.Parse(NumericProfile.Parse(profile)?.Width ?? "") ?? throw new ArgumentException($"'{profile}' is no profile of this machine.", nameof(profile));

    /// <summary>Execution provider of a profile that <see cref="Choose"/> gave; null for the CPU.</summary>
    public static ExecutionProvider? ProviderOf(string profile) => NumericProfile.Parse(profile)?.Provider switch
    {
        "cuda" => ExecutionProvider.Cuda(FirstDevice),
        "webgpu" => ExecutionProvider.WebGpu,
        _ => null,
    };

    /// <summary>Opens a session on the device, before anything is written: a library may have a provider, and the machine no device for it.</summary>
    private static void Probe(NumericProfile profile)
    {
        if (profile.Provider == Cpu)
            return;
        var provider = ProviderOf(profile.ToString())
            ?? throw new InputException("device-not-available", "--device", $"There is no device '{profile.Provider}'.", "Use cpu, cuda or webgpu.");
        try
        {
            var builder = new GraphBuilder(ProbeOpset);
            builder.Output(builder.Identity(builder.Input("x", ElementType.Float32, 1)), type: ElementType.Float32, shape: [1]);
            using var environment = new OrtEnvironment(LoggingLevel.Fatal);
            new ModelRuntime(environment, provider).Open(builder.Build()).Dispose();
        }
        catch (OrtException exception)
        {
            throw new InputException(
                "device-not-available", "--device", $"The device '{profile.Provider}' cannot be used: {exception.Message}",
                "Use --device cpu, or install the device's driver; for CUDA build with -p:OnnxRuntimeGpu=true.", exception);
        }
    }

    private static InputException Refused(string forced, string cause, NumericProfile best) => new(
        "profile-not-available", "--profile", $"'{forced}' {cause}",
        $"This machine has: {string.Join(", ", KernelWidths.Supported.Select(width => best with { Width = KernelWidths.Name(width) }))}.");
}
