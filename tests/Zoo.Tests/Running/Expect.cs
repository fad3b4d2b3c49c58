namespace Orchestrator.Zoo.Tests.Running;

internal static class Expect
{
    /// <summary>Fails with the whole of what was found; null is nothing.</summary>
    public static void Nothing(string? found)
    {
        if (found is not null)
            Assert.Fail(found);
    }

    public static void Nothing(IReadOnlyCollection<string> found) => Nothing(found.Count == 0 ? null : $"{found.Count} found:\n{string.Join('\n', found)}");
}
