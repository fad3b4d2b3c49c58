# A worker on CPUs (`orc worker`). Build from the repository's root: docker build -f infra/docker/worker.Dockerfile .
# BASES as in server.Dockerfile; the one to run needs glibc and libstdc++ for ONNX Runtime.
ARG BUILD_BASE=dotnet-sdk-node:10.0
ARG RUN_BASE=dotnet-aspnet:10.0

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN dotnet publish src/Cli -c Release -o /app --self-contained false

FROM ${RUN_BASE}
COPY --from=build --chown=root:root /app /app
ENV DOTNET_EnableDiagnostics=0 TMPDIR=/scratch
USER 65532:65532
# Inputs, a tenant's at a time; gone with the container.
VOLUME /scratch
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/orc", "worker"]
