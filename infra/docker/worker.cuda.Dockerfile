# A worker on an NVIDIA GPU. RUN_BASE: an image with the CUDA 12 runtime, cuDNN 9 and the ASP.NET Core 10 runtime; the host needs NVIDIA's container toolkit.
# Build from the repository's root: docker build -f infra/docker/worker.cuda.Dockerfile --build-arg RUN_BASE=... .
ARG BUILD_BASE=dotnet-sdk-node:10.0
ARG RUN_BASE=cuda-cudnn-aspnet:12

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN dotnet publish src/Cli -c Release -p:OnnxRuntimeGpu=true -o /app --self-contained false

FROM ${RUN_BASE}
COPY --from=build --chown=root:root /app /app
ENV DOTNET_EnableDiagnostics=0 TMPDIR=/scratch NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 65532:65532
VOLUME /scratch
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/orc", "worker", "--device", "cuda"]
