using Npgsql;
using Orchestrator.Jobs;

namespace Orchestrator.Silo;

/// <summary>The PostgreSQL database that silos find each other by.</summary>
internal static class OrleansDatabase
{
    private const string Script = "orleans.sql";
    private const string Subject = "database";
    private const string Tables = "SELECT to_regclass('orleansquery') IS NOT NULL AND to_regclass('orleansreminderstable') IS NOT NULL";

    /// <summary>Makes the tables where they are missing.</summary>
    /// <exception cref="InputException">The database cannot be reached, or the tables are missing and may not be made.</exception>
    public static async Task PrepareAsync(string connection, CancellationToken cancellationToken)
    {
        try
        {
            await using var source = NpgsqlDataSource.Create(connection);
            await using var look = source.CreateCommand(Tables);
            if (await look.ExecuteScalarAsync(cancellationToken) is true)
                return;
            await using var make = source.CreateCommand(await ReadScriptAsync(cancellationToken));
            await make.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException cause) when (cause.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new InputException(Subject, Subject, $"The tables of Orleans are missing and may not be made: {cause.MessageText}.", "Have an administrator apply infra/deploy/postgres/orleans.sql.", cause);
        }
        catch (Exception cause) when (cause is NpgsqlException or ArgumentException or FormatException or TimeoutException)
        {
            // Npgsql names hosts and users in its messages, never passwords; of a connection string that it cannot read it names the key.
            throw new InputException(Subject, Subject, $"The database cannot be used: {cause.Message}", "Check the connection string and whether the server is up.", cause);
        }
    }

    private static async Task<string> ReadScriptAsync(CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(typeof(OrleansDatabase).Assembly.GetManifestResourceStream(Script)!);
        return await reader.ReadToEndAsync(cancellationToken);
    }
}
