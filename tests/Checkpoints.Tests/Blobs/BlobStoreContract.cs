using System.Text;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.TestKit;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Blobs;

/// <summary>What every blob store does; each store adds only how it is made.</summary>
public abstract class BlobStoreContract
{
    private const string Name = "local/a/b.json";
    private const string Head = "local/a/c.head";

    private static readonly ReadOnlyMemory<byte> s_one = Encoding.UTF8.GetBytes("one");
    private static readonly ReadOnlyMemory<byte> s_two = Encoding.UTF8.GetBytes("two!");

    protected abstract IBlobStore Store { get; }

    /// <summary>The same content through another process's eyes.</summary>
    protected abstract IBlobStore Other { get; }

    [ContractFact]
    public async Task What_was_created_is_read_back_by_everyone()
    {
        Assert.True(await Store.CreateAsync(Name, s_one, CancellationToken.None));

        Assert.Equal(s_one.ToArray(), (await Store.ReadAsync(Name, CancellationToken.None))!.Content.ToArray());
        Assert.Equal(s_one.ToArray(), (await Other.ReadAsync(Name, CancellationToken.None))!.Content.ToArray());
    }

    [ContractFact]
    public async Task What_is_not_there_reads_as_null()
    {
        Assert.Null(await Store.ReadAsync(Name, CancellationToken.None));
        Assert.Null(await Store.ReadAsync(Head, CancellationToken.None));
        Assert.Null(await Store.OpenReadAsync(Name, CancellationToken.None));
        Assert.Empty(await Store.NamesAsync(""));
    }

    [ContractFact]
    public async Task An_empty_blob_is_a_blob()
    {
        Assert.True(await Store.CreateAsync(Name, ReadOnlyMemory<byte>.Empty, CancellationToken.None));
        Assert.Equal(0, (await Store.ReadAsync(Name, CancellationToken.None))!.Content.Length);
    }

    [ContractFact]
    public async Task A_name_is_created_once()
    {
        Assert.True(await Store.CreateAsync(Name, s_one, CancellationToken.None));

        Assert.False(await Other.CreateAsync(Name, s_two, CancellationToken.None));
        Assert.False(await Store.CreateAsync(Name, (stream, token) => stream.WriteAsync(s_two, token).AsTask(), CancellationToken.None));
        Assert.Equal(s_one.ToArray(), (await Store.ReadAsync(Name, CancellationToken.None))!.Content.ToArray());
    }

    [ContractFact]
    public async Task Of_many_who_create_a_name_at_once_exactly_one_wins_and_all_read_the_winner()
    {
        const int Rounds = 20;
        const int Racers = 8;
        for (var round = 0; round < Rounds; round++)
        {
            var name = $"local/race/{round}";
            var won = await Task.WhenAll(Enumerable.Range(0, Racers).Select(i => Task.Run(() =>
                (i % 2 == 0 ? Store : Other).CreateAsync(name, Encoding.UTF8.GetBytes($"{i}"), CancellationToken.None))));

            var winner = Array.IndexOf(won, true);
            Assert.Single(won, w => w);
            Assert.Equal($"{winner}", Encoding.UTF8.GetString((await Store.ReadAsync(name, CancellationToken.None))!.Content.Span));
        }
    }

    [ContractFact]
    public async Task A_blob_whose_writer_fails_never_exists()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Store.CreateAsync(Name, async (stream, token) =>
        {
            await stream.WriteAsync(s_one, token);
            throw new InvalidOperationException("killed in the middle");
        }, CancellationToken.None));

        Assert.Null(await Store.ReadAsync(Name, CancellationToken.None));
        Assert.Empty(await Store.NamesAsync(""));
        Assert.True(await Store.CreateAsync(Name, s_two, CancellationToken.None));
    }

    [ContractFact]
    public async Task Large_content_goes_through_streams_unchanged()
    {
        const int Length = (1 << 20) + 7;
        var content = new byte[Length];
        new Random(5).NextBytes(content);

        await Store.CreateAsync(Name, async (stream, token) =>
        {
            foreach (var chunk in content.Chunk(4_099))
                await stream.WriteAsync(chunk, token);
        }, CancellationToken.None);

        await using var read = await Other.OpenReadAsync(Name, CancellationToken.None);
        using var copy = new MemoryStream();
        await read!.CopyToAsync(copy, CancellationToken.None);
        Assert.Equal(content, copy.ToArray());
    }

    [ContractFact]
    public async Task A_head_is_replaced_only_by_those_who_saw_its_last_version()
    {
        var first = await Store.ReplaceAsync(Head, s_one, null, CancellationToken.None);
        Assert.NotNull(first);
        Assert.Null(await Other.ReplaceAsync(Head, s_two, null, CancellationToken.None));
        Assert.Equal(first, (await Other.ReadAsync(Head, CancellationToken.None))!.ETag);

        var second = await Other.ReplaceAsync(Head, s_two, first, CancellationToken.None);
        Assert.NotNull(second);
        Assert.Null(await Store.ReplaceAsync(Head, s_one, first, CancellationToken.None));
        var read = await Store.ReadAsync(Head, CancellationToken.None);
        Assert.Equal(second, read!.ETag);
        Assert.Equal(s_two.ToArray(), read.Content.ToArray());
    }

    [ContractFact]
    public async Task No_increment_of_a_head_is_lost_however_many_count_at_once()
    {
        const int Racers = 6;
        const int Each = 15;
        await Task.WhenAll(Enumerable.Range(0, Racers).Select(i => Task.Run(async () =>
        {
            var store = i % 2 == 0 ? Store : Other;
            for (var n = 0; n < Each;)
            {
                var old = await store.ReadAsync(Head, CancellationToken.None);
                var next = old is null ? 1 : BitConverter.ToInt32(old.Content.Span) + 1;
                if (await store.ReplaceAsync(Head, BitConverter.GetBytes(next), old?.ETag, CancellationToken.None) is not null)
                    n++;
            }
        })));

        Assert.Equal(Racers * Each, BitConverter.ToInt32((await Store.ReadAsync(Head, CancellationToken.None))!.Content.Span));
    }

    [ContractFact]
    public async Task Deleted_names_are_gone_and_may_be_created_again()
    {
        await Store.CreateAsync(Name, s_one, CancellationToken.None);
        await Store.ReplaceAsync(Head, s_one, null, CancellationToken.None);

        foreach (var name in new[] { Name, Head, "local/never" })
            await Store.DeleteAsync(name, CancellationToken.None);

        Assert.Empty(await Store.NamesAsync(""));
        Assert.True(await Store.CreateAsync(Name, s_two, CancellationToken.None));
        Assert.NotNull(await Store.ReplaceAsync(Head, s_two, null, CancellationToken.None));
    }

    [ContractTheory]
    [InlineData("", new[] { "local/a/b.json", "local/a/c.head", "local/ab", "other/x" })]
    [InlineData("local/", new[] { "local/a/b.json", "local/a/c.head", "local/ab" })]
    [InlineData("local/a", new[] { "local/a/b.json", "local/a/c.head", "local/ab" })]
    [InlineData("local/a/", new[] { "local/a/b.json", "local/a/c.head" })]
    [InlineData("local/a/b", new[] { "local/a/b.json" })]
    [InlineData("nobody/", new string[0])]
    public async Task A_prefix_lists_blobs_and_heads_in_ordinal_order(string prefix, string[] expected)
    {
        foreach (var name in new[] { "other/x", "local/ab", Name })
            await Store.CreateAsync(name, s_one, CancellationToken.None);
        await Store.ReplaceAsync(Head, s_two, null, CancellationToken.None);

        Assert.Equal(expected, await Other.NamesAsync(prefix));
    }

    [ContractTheory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a//b")]
    [InlineData("a/../b")]
    [InlineData(".tmp/a")]
    [InlineData("a/B")]
    [InlineData("a b")]
    [InlineData("a\\b")]
    [InlineData("a:b")]
    [InlineData("a/ü")]
    public async Task Names_that_not_every_store_can_hold_are_refused(string name)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Store.CreateAsync(name, s_one, CancellationToken.None));
        await Assert.ThrowsAsync<ArgumentException>(() => Store.ReadAsync(name, CancellationToken.None));
    }

    [ContractFact]
    public async Task Blobs_are_not_replaced_and_heads_are_not_created()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Store.ReplaceAsync(Name, s_one, null, CancellationToken.None));
        await Assert.ThrowsAsync<ArgumentException>(() => Store.CreateAsync(Head, s_one, CancellationToken.None));
    }

    [ContractFact]
    public async Task A_cancelled_write_changes_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.CreateAsync(Name, s_one, cancelled));

        Assert.Empty(await Store.NamesAsync(""));
    }

    [ContractFact]
    public async Task Folders_and_blobs_of_like_names_are_listed_in_ordinal_order()
    {
        string[] names = ["local/a", "local/a-b/x", "local/a.b", "local/a/x", "local/a/y/z", "local/a0", "local/b.head", "local/b/x"];
        // A name that is a folder of another is none in a folder: these two cannot both be.
        names = [.. names.Where(n => n != "local/a")];
        foreach (var name in names.Reverse())
        {
            if (BlobName.IsHead(name))
                await Store.ReplaceAsync(name, s_one, null, CancellationToken.None);
            else
                await Store.CreateAsync(name, s_one, CancellationToken.None);
        }

        Assert.Equal(names.Order(StringComparer.Ordinal), await Store.NamesAsync(""));
        Assert.Equal(names.Where(n => n.StartsWith("local/a", StringComparison.Ordinal)).Order(StringComparer.Ordinal), await Store.NamesAsync("local/a"));
        Assert.Equal(["local/a/x", "local/a/y/z"], await Store.NamesAsync("local/a/"));
    }

    [ContractFact]
    public async Task A_listing_while_others_create_and_delete_is_in_order_and_has_what_was_there_all_the_time()
    {
        const int Steady = 50;
        const int Rounds = 40;
        for (var i = 0; i < Steady; i++)
            await Store.CreateAsync($"local/{i % 5}/steady-{i:d3}", s_one, CancellationToken.None);
        var changes = Task.Run(async () =>
        {
            for (var i = 0; i < Rounds; i++)
            {
                await Other.CreateAsync($"local/{i % 7}/fleeting-{i:d3}", s_two, CancellationToken.None);
                await Other.DeleteAsync($"local/{i % 7}/fleeting-{i:d3}", CancellationToken.None);
            }
        });

        do
        {
            var names = await Store.NamesAsync("local/");
            Assert.Equal(names.Order(StringComparer.Ordinal), names);
            Assert.Equal(Steady, names.Count(n => n.Contains("steady", StringComparison.Ordinal)));
        }
        while (!changes.IsCompleted);
        await changes;
    }

    [ContractFact]
    public async Task A_listing_can_be_cancelled()
    {
        await Store.CreateAsync(Name, s_one, CancellationToken.None);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var entry in Store.ListAsync("", cancelled.Token))
                Assert.Fail(entry.Name);
        });
    }
}
