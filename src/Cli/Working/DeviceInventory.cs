using System.Runtime.InteropServices;
using Orchestrator.Cli.Running;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Cli.Working;

/// <summary>What a machine computes on.</summary>
/// <param name="Profiles">Numeric profiles to serve, the best first.</param>
/// <param name="Devices">All that are there, whether they are to be used or not.</param>
internal sealed record DeviceInventory(IReadOnlyList<string> Profiles, IReadOnlyList<WorkerDevice> Devices)
{
    private const string Cpu = "cpu";
    private const string Vulkan = "libvulkan.so.1";
    private static readonly string[] s_accelerators = ["cuda", "webgpu"];

    /// <param name="device">As <c>--device</c> says.</param>
    /// <param name="forced">As <c>--profile</c> says; null for the device's best and all of narrower kernels.</param>
    /// <param name="memoryBytes">Of the machine.</param>
    /// <exception cref="InputException">The machine does not have what is asked for.</exception>
    public static DeviceInventory Of(string device, string? forced, long memoryBytes)
    {
        var best = NumericProfiles.Choose(device, forced);
        var devices = new List<WorkerDevice>
        {
            new(Cpu, $"{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()} {KernelWidths.Name(KernelWidths.Best)}, {Environment.ProcessorCount} cores", memoryBytes),
        };
        devices.AddRange(s_accelerators.Where(IsThere).Select(accelerator => new WorkerDevice(accelerator, accelerator, MemoryBytes: null)));
        return new DeviceInventory(forced is null ? Narrower(best) : [best], devices);
    }

    /// <summary>A profile and those of the same device with narrower kernels, which any machine has that has the wider ones.</summary>
    private static string[] Narrower(string best)
    {
        var profile = NumericProfile.Parse(best)!;
        return [.. KernelWidths.Supported.Select(width => (profile with { Width = KernelWidths.Name(width) }).ToString())];
    }

    private static bool IsThere(string accelerator)
    {
        // Without it WebGPU has nothing to run on, and says so to everybody.
        if (accelerator == "webgpu" && OperatingSystem.IsLinux() && !NativeLibrary.TryLoad(Vulkan, out _))
            return false;
        try
        {
            NumericProfiles.Choose(accelerator, null);
            return true;
        }
        catch (InputException)
        {
            return false;
        }
    }
}
