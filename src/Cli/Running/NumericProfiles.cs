using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Cli.Running;

/// <summary>Picks the numeric profile of a job for this machine.</summary>
internal static class NumericProfiles
{
    private const string Cpu = "cpu";

    /// <param name="device"><c>auto</c> is the CPU: the one device on which every unit of this version runs.</param>
    /// <param name="forced">A whole profile or a kernel width alone; null takes the widest.</param>
    /// <exception cref="InputException">This machine or this version has no such device or profile.</exception>
    public static string Choose(string device, string? forced)
    {
        if (device is not ("auto" or Cpu))
            throw new InputException("device-not-available", "--device", $"'{device}' is not available in this version", "Use --device cpu.");
        var best = new NumericProfile(KernelWidths.Name(KernelWidths.Best), Cpu, OrtEnvironment.RuntimeVersion);
        if (forced is null)
            return best.ToString();

        var profile = KernelWidths.Parse(forced) is null ? NumericProfile.Parse(forced) : best with { Width = forced };
        if (profile is null || KernelWidths.Parse(profile.Width) is not { } width)
            throw Refused(forced, "is not a numeric profile", best);
        if (!KernelWidths.Supported.Contains(width))
            throw Refused(forced, $"needs {profile.Width} kernels, which this machine does not have", best);
        if (profile.Provider != Cpu)
            throw Refused(forced, $"needs the device '{profile.Provider}', which is not available in this version", best);
        if (profile.Runtime != best.Runtime)
            throw Refused(forced, $"needs ONNX Runtime {profile.Runtime}, this is {best.Runtime}", best);
        return profile.ToString();
    }

    /// <summary>Kernel width of a profile that <see cref="Choose"/> gave.</summary>
    public static KernelWidth WidthOf(string profile) =>
        KernelWidths.Parse(NumericProfile.Parse(profile)?.Width ?? "") ?? throw new ArgumentException($"'{profile}' is no profile of this machine.", nameof(profile));

    private static InputException Refused(string forced, string cause, NumericProfile best) => new(
        "profile-not-available", "--profile", $"'{forced}' {cause}",
        $"This machine has: {string.Join(", ", KernelWidths.Supported.Select(width => best with { Width = KernelWidths.Name(width) }))}.");
}
