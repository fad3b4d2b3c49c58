using Orchestrator.OnnxRuntime;

namespace Orchestrator.Zoo.Tests.Running;

/// <summary>The content of one model input.</summary>
/// <param name="Bytes">Row-major, as the runtime holds it.</param>
internal sealed record Feed(string Name, ElementType Type, long[] Shape, byte[] Bytes)
{
    /// <summary>A value over a copy in the runtime's memory.</summary>
    public OrtValue ToValue()
    {
        var value = OrtValue.Allocate(Type, Shape);
        Bytes.CopyTo(value.AsBytes());
        return value;
    }
}
