using Orchestrator.Cli.Cluster;
using Orchestrator.Jobs;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

public sealed class WorkerProfilesTests
{
    private const string Wide = "avx512-cpu-ort1.30.0";
    private const string Common = "avx2-cpu-ort1.30.0";
    private const string Cuda = "avx2-cuda-ort1.30.0";

    private static readonly WorkerView s_small = Worker(Common);
    private static readonly WorkerView s_large = Worker(Wide, Common);
    private static readonly WorkerView s_gpu = Worker(Cuda, Common);

    [Fact]
    public void The_profile_of_most_workers_is_taken() => Assert.Equal(Common, WorkerProfiles.Choose([s_large, s_small, s_gpu], "auto", null));

    [Fact]
    public void Where_all_have_the_same_the_one_that_they_like_best_is_taken() => Assert.Equal(Wide, WorkerProfiles.Choose([s_large, s_large], "auto", null));

    [Fact]
    public void A_device_and_a_width_narrow_the_choice()
    {
        Assert.Equal(Cuda, WorkerProfiles.Choose([s_large, s_gpu], "cuda", null));
        Assert.Equal(Wide, WorkerProfiles.Choose([s_large, s_small], "auto", "avx512"));
    }

    [Fact]
    public void A_whole_profile_is_taken_even_where_no_worker_has_it()
    {
        Assert.Equal(Cuda, WorkerProfiles.Choose([s_small], "auto", Cuda));
        Assert.False(WorkerProfiles.IsServed([s_small], Cuda));
        Assert.True(WorkerProfiles.IsServed([s_small], Common));
    }

    [Fact]
    public void Workers_that_are_offline_do_not_count()
    {
        Assert.Null(WorkerProfiles.Choose([s_large with { State = "offline" }], "auto", null));
        Assert.Equal(Common, WorkerProfiles.Choose([s_large with { State = "offline" }, s_small], "auto", null));
    }

    [Theory]
    [InlineData("webgpu", null)]
    [InlineData("auto", "v128")]
    [InlineData("cpu", Cuda)]
    public void What_no_worker_has_is_refused(string device, string? forced) =>
        Assert.Equal("profile-not-available", Assert.Throws<InputException>(() => WorkerProfiles.Choose([s_large, s_gpu], device, forced)).Code);

    private static WorkerView Worker(params string[] profiles) => new("w", "available", 1, 0, profiles, [], 1, "0.1.0");
}
