# A server of a cluster (`orc serve`). Build from the repository's root: docker build -f infra/docker/server.Dockerfile .
# BASES: any image with the .NET 10 SDK, Node.js and npm to build, and any with the ASP.NET Core 10 runtime to run.
ARG BUILD_BASE=dotnet-sdk-node:10.0
ARG RUN_BASE=dotnet-aspnet:10.0

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN dotnet publish src/Cli -c Release -o /app --self-contained false

FROM ${RUN_BASE}
RUN mkdir -p /keys && chown 65532:65532 /keys
COPY --from=build --chown=root:root /app /app
# Nothing is written but to volumes: run with a read-only root.
ENV DOTNET_EnableDiagnostics=0 DOTNET_gcServer=1 TMPDIR=/tmp
USER 65532:65532
VOLUME /tmp
EXPOSE 7070
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/orc", "serve"]
