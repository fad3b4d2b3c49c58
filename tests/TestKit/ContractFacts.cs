using Orchestrator.TestKit.Stores;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Orchestrator.TestKit;

/// <summary>A test class that needs the emulator of Azure Blob Storage: its contract tests are skipped where it is not installed.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class NeedsAzuriteAttribute : Attribute;

/// <summary>A fact of an abstract test class, which a class of its implementations may skip.</summary>
[XunitTestCaseDiscoverer("Orchestrator.TestKit.ContractFactDiscoverer", "Orchestrator.TestKit")]
public sealed class ContractFactAttribute : FactAttribute;

/// <summary>A theory of an abstract test class, which a class of its implementations may skip.</summary>
[XunitTestCaseDiscoverer("Orchestrator.TestKit.ContractTheoryDiscoverer", "Orchestrator.TestKit")]
public sealed class ContractTheoryAttribute : TheoryAttribute;

/// <summary>Finds contract facts.</summary>
public sealed class ContractFactDiscoverer(IMessageSink sink) : FactDiscoverer(sink)
{
    protected override IXunitTestCase CreateTestCase(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        new ContractTestCase(DiagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod, null);
}

/// <summary>Finds contract theories.</summary>
public sealed class ContractTheoryDiscoverer(IMessageSink sink) : TheoryDiscoverer(sink)
{
    protected override IEnumerable<IXunitTestCase> CreateTestCasesForDataRow(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute, object[] dataRow) =>
        [new ContractTestCase(DiagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod, dataRow)];
}

/// <summary>A contract test of one implementation.</summary>
public sealed class ContractTestCase : XunitTestCase
{
    /// <summary>For xunit, which reads cases back.</summary>
    [Obsolete("Called by xunit only.")]
    public ContractTestCase()
    {
    }

    internal ContractTestCase(IMessageSink sink, TestMethodDisplay display, TestMethodDisplayOptions options, ITestMethod method, object[]? arguments)
        : base(sink, display, options, method, arguments)
    {
    }

    protected override string? GetSkipReason(IAttributeInfo factAttribute) =>
        base.GetSkipReason(factAttribute) ?? (TestMethod.TestClass.Class.GetCustomAttributes(typeof(NeedsAzuriteAttribute)).Any() ? AzuriteServer.Missing : null);
}
