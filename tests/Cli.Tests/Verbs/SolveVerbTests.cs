using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Orchestrator.Compression.Data;

namespace Orchestrator.Cli.Tests.Verbs;

public sealed class SolveVerbTests : IDisposable
{
    private const int Rows = 3;
    private const int Columns = 8;

    private readonly TestFolder _folder = new();

    public SolveVerbTests()
    {
        var random = new Random(7);
        var weights = new float[Rows * Columns];
        for (var i = 0; i < weights.Length; i++)
            weights[i] = (float)(random.NextDouble() * 2 - 1);
        Save("W.npy", weights, Rows, Columns);
        Save("H.npy", Hessian(random), Columns, Columns);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--method exact-obs --sparsity 0.5", 0.5)]
    [InlineData("--method exact-obs --sparsity 0.5 --select sort --damping 0", 0.5)]
    [InlineData("--method nm --pattern 1:4", 0.75)]
    [InlineData("--method nm", 0.5)]
    [InlineData("--method block --sparsity 0.5 --block-size 2", 0.5)]
    public async Task A_layer_is_pruned(string options, double sparsity)
    {
        var result = await SolveAsync(options);

        Assert.Equal(sparsity, result.GetProperty("sparsity").GetDouble());
        Assert.InRange(result.GetProperty("relativeLoss").GetDouble(), 0, 1);
        Assert.True(result.GetProperty("loss").GetDouble() > 0);
        Assert.True(result.GetProperty("seconds").GetDouble() >= 0);
        var solved = NpyArray.Load(_folder["O.npy"]);
        Assert.Equal([Rows, Columns], solved.Shape);
        Assert.Equal((int)(sparsity * Rows * Columns), solved.ToFloats().Count(weight => weight == 0));
    }

    [Theory]
    [InlineData("--method obq --bits 2", 4)]
    [InlineData("--method obq --bits 3 --grid minmax --symmetric", 8)]
    [InlineData("--method rtn --bits 2 --damping 0", 4)]
    public async Task A_layer_is_quantized(string options, int levels)
    {
        await SolveAsync(options);
        var solved = NpyArray.Load(_folder["O.npy"]).ToFloats();

        for (var row = 0; row < Rows; row++)
            Assert.InRange(solved.Skip(row * Columns).Take(Columns).Distinct().Count(), 2, levels);
    }

    [Theory]
    [InlineData("exact-obs", "0.5, 0,0.25,0.5", 3)]
    [InlineData("exact-obs", "paper", 45)]
    [InlineData("block --block-size 2", "paper", 30)]
    public async Task Levels_are_written_with_their_losses(string method, string levels, int count)
    {
        using var console = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await console.RunAsync([.. Arguments($"--method {method}"), "--levels", levels]));

        var results = console.Json.GetProperty("levels").EnumerateArray().ToList();
        var weights = ReadEntry("weights");
        Assert.Equal([count, Rows, Columns], weights.Shape);
        Assert.Equal(results.Select(result => result.GetProperty("level").GetDouble()), ReadEntry("level").ToDoubles());
        Assert.Equal(results.Select(result => result.GetProperty("sparsity").GetDouble()), ReadEntry("sparsity").ToDoubles());
        var losses = ReadEntry("loss").ToDoubles();
        Assert.Equal(results.Select(result => result.GetProperty("loss").GetDouble()), losses);
        Assert.Equal(losses.Order(), losses);
        var all = weights.ToFloats();
        for (var level = 0; level < count; level++)
        {
            var sparsity = results[level].GetProperty("sparsity").GetDouble();
            Assert.Equal((int)Math.Round(sparsity * Rows * Columns), all.Skip(level * Rows * Columns).Take(Rows * Columns).Count(weight => weight == 0));
        }

        var last = results[^1].GetProperty("level").GetDouble().ToString(CultureInfo.InvariantCulture);
        var alone = await SolveAsync($"--method {method} --sparsity {last}");
        Assert.Equal(losses[^1], alone.GetProperty("loss").GetDouble());
        Assert.Equal(NpyArray.Load(_folder["O.npy"]).ToFloats(), all[^(Rows * Columns)..]);
    }

    [Fact]
    public async Task The_same_levels_are_the_same_bytes()
    {
        var files = new List<byte[]>();
        foreach (var _ in (int[])[1, 2])
        {
            await SolveAsync("--method exact-obs --levels paper");
            files.Add(await File.ReadAllBytesAsync(_folder["O.npy"]));
        }

        Assert.Equal(files[0], files[1]);
    }

    [Theory]
    [InlineData("--method obs --sparsity 0.5", "option-invalid", "--method")]
    [InlineData("--method exact-obs", "option-missing", "--sparsity")]
    [InlineData("--method exact-obs --sparsity 1", "option-invalid", "--sparsity")]
    [InlineData("--method exact-obs --sparsity 0.5 --bits 4", "option-invalid", "--bits")]
    [InlineData("--method exact-obs --sparsity 0.5 --damping -1", "option-invalid", "--damping")]
    [InlineData("--method exact-obs --sparsity 0.5 --select stack", "option-invalid", "--select")]
    [InlineData("--method exact-obs --levels 0.5,half", "option-invalid", "--levels")]
    [InlineData("--method exact-obs --levels 0.5,1", "option-invalid", "--levels")]
    [InlineData("--method exact-obs --levels 0.5 --sparsity 0.5", "option-invalid", "--levels")]
    [InlineData("--method nm --levels paper", "option-invalid", "--levels")]
    [InlineData("--method nm --pattern 4:2", "option-invalid", "--pattern")]
    [InlineData("--method nm --pattern 1:3", "data-shape", "--pattern")]
    [InlineData("--method nm --sparsity 0.5", "option-invalid", "--sparsity")]
    [InlineData("--method block --sparsity 0.5 --block-size 3", "data-shape", "--block-size")]
    [InlineData("--method obq", "option-missing", "--bits")]
    [InlineData("--method obq --bits 9", "option-invalid", "--bits")]
    [InlineData("--method obq --bits 4 --grid log", "option-invalid", "--grid")]
    [InlineData("--method rtn --bits 4 --weights none.npy", "data-not-found", "--weights")]
    [InlineData("--method rtn --bits 4 --hessian W.npy", "data-shape", "--hessian")]
    [InlineData("--method rtn --bits 4 --out none/O.npy", "output-not-writable", "--out")]
    public async Task What_cannot_be_done_is_refused(string options, string code, string subject)
    {
        var before = _folder.Entries.ToList();
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(Arguments(options)));
        var error = console.Json.GetProperty("error");
        Assert.Equal((code, subject), (error.GetProperty("code").GetString(), error.GetProperty("subject").GetString()));
        Assert.Equal(before, _folder.Entries);
    }

    [Theory]
    [InlineData("W.npy", "--weights")]
    [InlineData("H.npy", "--hessian")]
    public async Task Numbers_that_are_none_are_refused(string file, string subject)
    {
        var rows = file == "W.npy" ? Rows : Columns;
        var values = new float[rows * Columns];
        values[5] = float.NaN;
        Save(file, values, rows, Columns);
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(Arguments("--method rtn --bits 4")));
        Assert.Equal(subject, console.Json.GetProperty("error").GetProperty("subject").GetString());
        Assert.Contains("element 5", console.Error, StringComparison.Ordinal);
    }

    private async Task<JsonElement> SolveAsync(string options)
    {
        using var console = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await console.RunAsync(Arguments(options)));
        return console.Json.Clone();
    }

    private NpyArray ReadEntry(string name)
    {
        using var archive = ZipFile.OpenRead(_folder["O.npy"]);
        var entry = archive.GetEntry($"{name}.npy")!;
        using var stream = entry.Open();
        return NpyArray.Read(stream, entry.Length, name);
    }

    /// <summary>Files for what the options leave out.</summary>
    private static string[] Arguments(string options)
    {
        var arguments = new List<string> { "solve", "--json" };
        foreach (var (option, file) in (ReadOnlySpan<(string, string)>)[("--weights", "W.npy"), ("--hessian", "H.npy"), ("--out", "O.npy")])
        {
            if (!options.Contains(option, StringComparison.Ordinal))
                arguments.AddRange([option, file]);
        }

        return [.. arguments, .. options.Split(' ')];
    }

    private void Save(string name, float[] values, int rows, int columns)
    {
        using var file = File.Create(_folder[name]);
        NpyArray.Write<float>(file, values, rows, columns);
    }

    /// <summary>X·Xᵀ of random inputs: symmetric and positive definite.</summary>
    private static float[] Hessian(Random random)
    {
        const int Samples = 4 * Columns;
        var inputs = new double[Columns * Samples];
        for (var i = 0; i < inputs.Length; i++)
            inputs[i] = random.NextDouble() * 2 - 1;
        var hessian = new float[Columns * Columns];
        for (var i = 0; i < Columns; i++)
        {
            for (var j = 0; j < Columns; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < Samples; k++)
                    sum += inputs[i * Samples + k] * inputs[j * Samples + k];
                hessian[i * Columns + j] = (float)(2 * sum / Samples);
            }
        }

        return hessian;
    }
}
