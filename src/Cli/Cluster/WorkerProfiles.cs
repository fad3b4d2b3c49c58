using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>Picks the numeric profile of a job for the workers that are there. Pure.</summary>
internal static class WorkerProfiles
{
    private const string Cpu = "cpu";
    private const string Auto = "auto";
    private const string Offline = "offline";

    /// <summary>
    /// The profile that most workers have; of several the one that they like best. <c>auto</c> takes the CPU, the device on which every kernel is deterministic.
    /// </summary>
    /// <param name="forced">A whole profile, which is taken as it is, or a kernel width alone; null for none.</param>
    /// <returns>Null where no worker is there to ask.</returns>
    /// <exception cref="InputException">No worker has what is asked for.</exception>
    public static string? Choose(IReadOnlyList<WorkerView> workers, string device, string? forced)
    {
        if (forced is not null && NumericProfile.Parse(forced) is { } whole)
        {
            if (device != Auto && whole.Provider != device)
                throw new InputException("profile-not-available", "--profile", $"'{forced}' is for the device '{whole.Provider}', and --device asks for '{device}'", "Leave one of them out.");
            return forced;
        }

        var present = workers.Where(worker => worker.State != Offline).ToList();
        if (present.Count == 0)
            return null;
        var asked = device == Auto ? Cpu : device;
        var offers = present
            .SelectMany(worker => worker.Profiles.Select((profile, rank) => (Profile: profile, Rank: rank)))
            .Where(offer => NumericProfile.Parse(offer.Profile) is { } parsed && parsed.Provider == asked && (forced is null || parsed.Width == forced))
            .GroupBy(offer => offer.Profile)
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Sum(offer => offer.Rank)).ThenBy(group => group.Key, StringComparer.Ordinal);
        return offers.FirstOrDefault()?.Key ?? throw new InputException(
            "profile-not-available", forced is null ? "--device" : "--profile", $"none of the {present.Count} workers has {(forced is null ? $"a profile for '{asked}'" : $"'{forced}' on '{asked}'")}",
            $"They have: {string.Join(", ", present.SelectMany(worker => worker.Profiles).Distinct().Order(StringComparer.Ordinal))}. A whole profile is taken even where no worker has it yet.");
    }

    /// <summary>Whether a worker is there that can compute in a profile.</summary>
    public static bool IsServed(IReadOnlyList<WorkerView> workers, string profile) => workers.Any(worker => worker.State != Offline && worker.Profiles.Contains(profile));
}
