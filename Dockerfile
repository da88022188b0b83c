# One image for every service; compose.yaml says which one runs.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tocsin
COPY requirements/runtime.txt requirements/runtime.in requirements/
RUN /opt/tocsin/bin/pip install --quiet --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY shared shared
COPY services services
COPY cli cli
RUN /opt/tocsin/bin/pip install --quiet --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tocsin \
    && mkdir /data /secrets && chown 10001:10001 /data /secrets
COPY --from=build /opt/tocsin /opt/tocsin
COPY feeds.toml /app/feeds.toml
COPY samples /app/samples
COPY deploy /app/deploy
WORKDIR /app
ENV PATH=/opt/tocsin/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    TOCSIN_DATA_DIR=/data TOCSIN_LOG_FORMAT=json TOCSIN_ALIVE_FILE=/tmp/alive
USER 10001
# The service touches the file every two seconds while its consumers read: `deploy/healthy` looks how long ago.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --start-interval=1s --retries=3 CMD ["/app/deploy/healthy"]
ENTRYPOINT ["tocsin"]
CMD ["--help"]
