namespace Orchestrator.Onnx.Partition;

/// <summary>Names for blocks: exporters write modules as paths, and a block is most often a module.</summary>
internal static class BlockNames
{
    /// <summary>What the layers' names have in common, whole path segments only; the whole name for one layer.</summary>
    public static string CommonPrefix(IReadOnlyList<Layer> layers)
    {
        if (layers.Count == 1)
            return layers[0].Name;
        var paths = layers.Select(l => l.Name.Split('/')).ToList();
        var shortest = paths.Min(p => p.Length) - 1;
        var common = 0;
        while (common < shortest && paths.TrueForAll(p => p[common] == paths[0][common]))
            common++;
        return string.Join('/', paths[0].Take(common));
    }

    public static string Unique(string wanted, HashSet<string> taken)
    {
        var name = wanted;
        for (var i = 1; !taken.Add(name); i++)
            name = $"{wanted}_{i}";
        return name;
    }
}
