using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Orchestrator.Server.Api;

/// <summary>The head of the OpenAPI document, and who may call what.</summary>
internal static class ApiDescription
{
    private const string Bearer = "bearer";

    public static void Configure(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "Orchestrator", Version = "v1", Description = "Jobs of a cluster, and the protocol of its workers." };
            // Where it is reached is another matter: the document is the same everywhere.
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Bearer] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = Bearer, Description = "A key of a tenant or of a worker." },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            var access = context.Description.ActionDescriptor.EndpointMetadata.OfType<Access>().LastOrDefault();
            if (access is { IsOpen: false })
            {
                operation.Tags = new HashSet<OpenApiTagReference> { new(access.Role switch { Keys.KeyRole.Worker => "worker", Keys.KeyRole.Tenant => "tenant", _ => "server" }, context.Document) };
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, context.Document)] = [] }];
            }

            return Task.CompletedTask;
        });
    }
}
