using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Pipelines;

/// <summary>Offers of one turn, sent together.</summary>
internal sealed class OfferBatch(PipelineContext context)
{
    private readonly List<UnitOffer> _offers = [];

    public void Add(UnitOffer offer) => _offers.Add(offer);

    public void Clear() => _offers.Clear();

    /// <returns>How many requests for units waited in vain; 0 where nothing is offered.</returns>
    public async Task<int> SendAsync(CancellationToken cancellationToken)
    {
        if (_offers.Count == 0)
            return 0;
        UnitOffer[] offers = [.. _offers];
        _offers.Clear();
        return await context.Scheduler.OfferAsync(offers, cancellationToken);
    }
}
