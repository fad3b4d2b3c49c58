using System.Runtime.InteropServices;
using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime.Tests.Native;

/// <summary>The order of the function table against the numbers that ONNX Runtime's own build asserts for each API version.</summary>
public sealed class FunctionTableTests
{
    [Theory]
    [InlineData("ReleaseCustomOpDomain", 101)]
    [InlineData("ReleaseModelMetadata", 118)]
    [InlineData("AddFreeDimensionOverrideByName", 124)]
    [InlineData("ReleaseAvailableProviders", 126)]
    [InlineData("SetGlobalSpinControl", 149)]
    [InlineData("ReleaseArenaCfg", 157)]
    [InlineData("GetCurrentGpuDeviceId", 161)]
    [InlineData("CreateSessionFromArrayWithPrepackedWeightsContainer", 169)]
    [InlineData("GetSparseTensorIndices", 191)]
    [InlineData("SynchronizeBoundOutputs", 203)]
    [InlineData("SessionOptionsAppendExecutionProvider_MIGraphX", 209)]
    [InlineData("ReleaseKernelInfo", 218)]
    [InlineData("ReleaseCANNProviderOptions", 224)]
    [InlineData("GetSessionConfigEntry", 238)]
    [InlineData("GetBuildInfoString", 254)]
    [InlineData("KernelContext_GetResource", 265)]
    [InlineData("SessionOptionsAppendExecutionProvider_OpenVINO_V2", 275)]
    public void The_last_function_of_each_version_is_where_the_runtime_asserts_it(string name, int index) =>
        Assert.Equal(index, (int)Enum.Parse<OrtFunction>(name));

    [Fact]
    public void The_table_has_no_gaps_and_no_doubles()
    {
        var numbers = Enum.GetValues<OrtFunction>().Select(function => (int)function).ToArray();
        Assert.Equal(Enumerable.Range(0, numbers.Length), numbers);
    }

    [Fact]
    public unsafe void Every_place_of_the_table_holds_a_function()
    {
        foreach (var function in Enum.GetValues<OrtFunction>())
            Assert.True(OrtLibrary.Table[(int)function] != null, function.ToString());
    }

    [Fact]
    public void The_runtime_names_its_version_and_build()
    {
        Assert.Matches(@"^1\.\d+\.\d+$", OrtEnvironment.RuntimeVersion);
        Assert.Contains("ORT Build Info", OrtEnvironment.BuildDescription, StringComparison.Ordinal);
    }

    [Fact]
    public void The_cpu_provider_is_available() => Assert.Contains("CPUExecutionProvider", OrtEnvironment.AvailableProviders);

    /// <summary>CreateStatus is called by this test alone: it makes the statuses that every other call is checked for.</summary>
    [Fact]
    public unsafe void A_status_carries_its_code_and_message()
    {
        var message = Marshal.StringToCoTaskMemUTF8("Größe passt nicht");
        var status = ((delegate* unmanaged<int, nint, nint>)OrtLibrary.Table[(int)OrtFunction.CreateStatus])((int)OrtErrorCode.NotImplemented, message);
        Marshal.FreeCoTaskMem(message);
        Assert.Equal((int)OrtErrorCode.NotImplemented, ((delegate* unmanaged<nint, int>)OrtLibrary.Table[(int)OrtFunction.GetErrorCode])(status));
        Assert.Equal("Größe passt nicht", Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)OrtLibrary.Table[(int)OrtFunction.GetErrorMessage])(status)));
        OrtApi.Release(OrtFunction.ReleaseStatus, status);
    }
}
