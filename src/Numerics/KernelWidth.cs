namespace Orchestrator.Numerics;

/// <summary>Vector width of the kernels. Part of a job's numeric profile.</summary>
public enum KernelWidth
{
    /// <summary>The first of <see cref="KernelWidths.Supported"/>.</summary>
    Default = 0,

    /// <summary>512-bit vectors.</summary>
    Vector512 = 512,

    /// <summary>256-bit vectors.</summary>
    Vector256 = 256,

    /// <summary>128-bit vectors.</summary>
    Vector128 = 128,

    /// <summary>One element at a time, on any machine.</summary>
    Scalar = 1,
}
