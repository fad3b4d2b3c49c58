using Orchestrator.Cli.Cluster;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Tests.Cluster;

public sealed class JobLookupTests
{
    [Theory]
    [InlineData("3f9a00000000000000000000000000aa")]
    [InlineData("3f9a")]
    [InlineData("resnet.yaml")]
    public void A_job_is_found_by_its_id_the_beginning_of_it_and_its_name(string word) =>
        Assert.Equal(SampleJobs.Running, JobLookup.Find(SampleJobs.All, word));

    [Theory]
    [InlineData("3f9", "job-ambiguous")]
    [InlineData("decoder.yaml", "job-ambiguous")]
    [InlineData("resnet", "job-not-found")]
    [InlineData("", "job-not-found")]
    [InlineData("3F9A", "job-not-found")]
    public void What_may_mean_none_or_several_is_refused(string word, string code) =>
        Assert.Equal(code, Assert.Throws<InputException>(() => JobLookup.Find(SampleJobs.All, word)).Code);

    [Fact]
    public void A_whole_id_is_that_job_even_where_another_is_called_so()
    {
        var other = SampleJobs.Failed with { Name = SampleJobs.Running.Id };
        Assert.Equal(SampleJobs.Running, JobLookup.Find([other, SampleJobs.Running], SampleJobs.Running.Id));
    }

    [Fact]
    public void Those_that_may_be_meant_are_named() =>
        Assert.Contains($"{SampleJobs.Paused.Id} (decoder.yaml)", Assert.Throws<InputException>(() => JobLookup.Find(SampleJobs.All, "decoder.yaml")).Message, StringComparison.Ordinal);
}
