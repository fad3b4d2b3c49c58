namespace Orchestrator.TestKit;

/// <summary>WebGPU on the machine that runs the tests.</summary>
public static class WebGpuAdapter
{
    /// <summary>Whoever names a Vulkan driver wants WebGPU tested on it: a test then fails where there is no adapter. A machine without one asserts what the runtime says.</summary>
    public static bool IsPromised => Environment.GetEnvironmentVariable("VK_ICD_FILENAMES") is { Length: > 0 };
}
