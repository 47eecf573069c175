# pointillist with its annotator, geodata and ONNX:
#
#   docker build -t pointillist .                             for the CPU
#   docker build -t pointillist --build-arg DEVICE=cuda .     for NVIDIA GPUs, with `docker run --gpus all`
#   docker run --rm -v "$PWD:/data" pointillist train berries
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm
ARG DEVICE=cpu
# The torch of PyPI has CUDA in it, gigabytes of it; PyTorch's own index has one without.
RUN case "$DEVICE" in \
      cpu) pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu "torch>=2.11" "torchvision>=0.26" ;; \
      cuda) pip install --no-cache-dir "torch>=2.11" "torchvision>=0.26" ;; \
      *) echo "DEVICE is cpu or cuda, not $DEVICE" >&2; exit 1 ;; \
    esac
COPY --from=build /wheels /wheels
# hadolint ignore=DL3013
RUN pip install --no-cache-dir "$(echo /wheels/pointillist-*.whl)[annotate,geo,onnx,tables]"
RUN useradd --uid 1000 --create-home person
USER 1000
WORKDIR /data
ENTRYPOINT ["pointillist"]
CMD ["--help"]
