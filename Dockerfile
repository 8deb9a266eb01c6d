# detkit on a CPU: docker build -t detkit . ; docker run --rm -v "$PWD:/data" detkit demo
FROM python:3.12-slim AS build
WORKDIR /source
RUN python -m venv /opt/detkit
COPY . .
ARG EXTRAS=cpu,augment,report,video,parquet
RUN /opt/detkit/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.12-slim
COPY --from=build /opt/detkit /opt/detkit
ENV PATH=/opt/detkit/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DETKIT_CACHE_DIR=/tmp/detkit
RUN useradd --create-home --uid 1000 detkit
USER 1000
WORKDIR /data
ENTRYPOINT ["detkit"]
CMD ["--help"]
