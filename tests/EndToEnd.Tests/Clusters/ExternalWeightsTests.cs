using Orchestrator.TestKit.Models;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>A model whose weights lie in blobs of their own, in the hands of a worker that has nothing but grants.</summary>
public sealed class ExternalWeightsTests
{
    private static readonly DecoderShape s_shape = new() { Blocks = 1, Hidden = 128, Intermediate = 256, Vocabulary = 512, Tokens = 16 };

    [AzuriteFact]
    public async Task A_worker_without_credentials_of_the_store_reads_weights_that_lie_beside_the_model()
    {
        await using var azurite = await AzuriteServer.StartAsync();
        using var workspace = new Workspace();
        DecoderModel.Write(workspace["decoder.onnx"], s_shape);
        TokenFile.Write(workspace["tokens.npy"], s_shape, sequences: 8);
        workspace.Write("recipe.yaml", """
            model: decoder.onnx
            data:
              calibration: {file: tokens.npy}
            compress: [{method: rtn, bits: 4}]
            layers:
              - {match: MatMul, bits: 4}
              - {match: "*", skip: true}
            """);
        workspace.Write("store.key", azurite.Key);
        var address = $"http://127.0.0.1:{ClusterProcesses.FreePorts(1)[0]}";
        await using var server = new ClusterProcess("server", workspace.Folder, ["serve", "--listen", address, "--store", azurite.Container("weights").ToString(), "--store-key-file", "store.key"]);
        await using var worker = new ClusterProcess("worker", workspace.Folder, ["worker", "--server", address, "--slots", "2", "--name", "worker"]);
        server.Start();
        worker.Start();

        var submitted = await Orc.RunAsync(workspace.Folder, "submit", "recipe.yaml", "--server", address, "--watch", "--json");
        Assert.True(submitted.Code == 0, $"{submitted.Output}\n{submitted.Errors}\n{string.Join('\n', worker.Lines)}");
        (await Orc.RunAsync(workspace.Folder, "fetch", submitted.Json.GetProperty("job").GetProperty("id").GetString()!, "--server", address, "--out", "fetched")).Expect(0);
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--out", "embedded")).Expect(0);

        Assert.All(["model.onnx", "model.onnx.data"], file => Assert.Equal(workspace.Sha256($"embedded/{file}"), workspace.Sha256($"fetched/{file}")));
    }
}
