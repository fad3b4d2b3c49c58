using Orchestrator.Jobs;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>Finds the job that a user means.</summary>
internal static class JobLookup
{
    private const int MostNamed = 5;

    /// <param name="word">An id, the beginning of one that no other job has, or a name that no other job has.</param>
    /// <exception cref="InputException">None is meant, or several may be.</exception>
    public static JobView Find(IReadOnlyList<JobView> jobs, string word)
    {
        if (jobs.FirstOrDefault(job => job.Id == word) is { } exact)
            return exact;
        var meant = jobs.Where(job => job.Name == word || (word.Length > 0 && job.Id.StartsWith(word, StringComparison.Ordinal))).ToList();
        return meant switch
        {
            [var one] => one,
            [] => throw new InputException("job-not-found", word, "there is no job with this id, beginning of an id or name", "See `orc list`."),
            _ => throw new InputException("job-ambiguous", word, $"{meant.Count} jobs may be meant: {Names(meant)}", "Give more letters of the id."),
        };
    }

    private static string Names(List<JobView> jobs) =>
        string.Join(", ", jobs.Take(MostNamed).Select(job => $"{job.Id} ({job.Name})")) + (jobs.Count > MostNamed ? ", …" : "");
}
