using Orchestrator.Jobs;
using Orchestrator.Server.Keys;

namespace Orchestrator.Server.Tests.Keys;

public sealed class KeyRingTests
{
    [Fact]
    public void A_new_key_is_found_by_its_line_and_by_nothing_else()
    {
        var (key, line) = KeyRing.Create(KeyRole.Tenant, "vision");
        var (other, _) = KeyRing.Create(KeyRole.Tenant, "vision");
        var ring = KeyRing.Read("keys", $"# keys of the cluster\n\n{line} # made today\n");

        Assert.Equal(new Caller(KeyRole.Tenant, "vision"), ring.Find(key));
        Assert.Null(ring.Find(other));
        Assert.Null(ring.Find(""));
        Assert.Null(ring.Find(line.Split(' ')[^1]));
    }

    [Fact]
    public void Two_keys_of_one_tenant_may_live_side_by_side_while_one_replaces_the_other()
    {
        var (first, second) = (KeyRing.Create(KeyRole.Worker, "pool"), KeyRing.Create(KeyRole.Worker, "pool"));
        var ring = KeyRing.Read("keys", $"{first.Line}\r\n{second.Line}\r\n");

        Assert.Equal(ring.Find(first.Key), ring.Find(second.Key));
    }

    [Theory]
    [InlineData(null, "anyone", true)]
    [InlineData("gpu-7", "gpu-7", true)]
    [InlineData("gpu-7", "gpu-70", false)]
    [InlineData("gpu-*", "gpu-70", true)]
    [InlineData("gpu-*", "cpu-1", false)]
    public void A_worker_s_key_speaks_for_those_that_it_is_for(string? workers, string worker, bool may)
    {
        var (key, line) = KeyRing.Create(KeyRole.Worker, "pool", workers);

        Assert.Equal(may, KeyRing.Read("keys", line).Find(key)!.MaySpeakFor(worker));
    }

    [Fact]
    public void A_tenant_s_key_is_bound_to_no_worker() =>
        Assert.Equal("keys-invalid", Assert.Throws<InputException>(() => KeyRing.Create(KeyRole.Tenant, "vision", "gpu-*")).Code);

    [Theory]
    [InlineData("")]
    [InlineData("# nothing but words")]
    [InlineData("tenant vision")]
    [InlineData("tenant vision abc")]
    [InlineData("admin vision 31287212812b0f101c73a9e64122eb71646496a4d1071feca6ad29f1f0bc45df")]
    [InlineData("tenant Vision 31287212812b0f101c73a9e64122eb71646496a4d1071feca6ad29f1f0bc45df")]
    [InlineData("tenant ../up 31287212812b0f101c73a9e64122eb71646496a4d1071feca6ad29f1f0bc45df")]
    [InlineData("tenant cluster 31287212812b0f101c73a9e64122eb71646496a4d1071feca6ad29f1f0bc45df")]
    [InlineData("tenant vision zz287212812b0f101c73a9e64122eb71646496a4d1071feca6ad29f1f0bc45df")]
    public void A_file_that_is_not_what_it_should_be_is_refused(string content) =>
        Assert.Equal("keys-invalid", Assert.Throws<InputException>(() => KeyRing.Read("keys", content)).Code);

    [Theory]
    [InlineData("cluster")]
    [InlineData("Big")]
    [InlineData("")]
    public void A_name_that_cannot_be_a_tenant_s_gets_no_key(string name) =>
        Assert.Equal("keys-invalid", Assert.Throws<InputException>(() => KeyRing.Create(KeyRole.Tenant, name)).Code);
}
