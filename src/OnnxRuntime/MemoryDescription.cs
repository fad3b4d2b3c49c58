using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>Names a kind of memory in which a bound output is to be allocated.</summary>
public sealed unsafe class MemoryDescription : IDisposable
{
    private const int DeviceAllocator = 0;
    private const int DefaultMemory = 0;

    private MemoryDescription(nint handle) => Handle = new MemoryDescriptionHandle(handle);

    internal MemoryDescriptionHandle Handle { get; }

    /// <summary>The runtime's own name, such as <c>Cpu</c>, <c>Cuda</c> or <c>WebGPU_Buffer</c>.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public string Name
    {
        get
        {
            using var scope = new CallScope();
            return OrtApi.MemoryName(scope.Use(Handle));
        }
    }

    public static MemoryDescription Cpu() => new(OrtApi.CreateCpuMemoryDescription(DeviceAllocator, DefaultMemory));

    /// <summary>Memory of a device by the runtime's name for it.</summary>
    /// <exception cref="OrtException">The name is not known.</exception>
    public static MemoryDescription OfDevice(string name, int device)
    {
        using var scope = new CallScope();
        return new(OrtApi.CreateMemoryDescription(scope.Text(name), DeviceAllocator, device, DefaultMemory));
    }

    public void Dispose() => Handle.Dispose();
}
