# toolhone over HTTP: small, not root, on a read-only file system. docs/production.md says how it is run.
FROM python:3.13.9-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/toolhone
COPY requirements/run.txt requirements/run.txt
RUN /opt/toolhone/bin/pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/toolhone/bin/pip install --no-deps --no-build-isolation . \
    && /opt/toolhone/bin/pip uninstall --yes hatchling editables pip


FROM python:3.13.9-slim-trixie

RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin toolhone \
    && install --directory --owner toolhone --mode 0700 /data \
    && install --directory --owner toolhone --mode 0755 /config/toolhone
COPY --from=build /opt/toolhone /opt/toolhone

# The configuration folder is /config/toolhone: mcp.json, tool_registry/, settings.toml.
ENV PATH=/opt/toolhone/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CONFIG_HOME=/config \
    TOOLHONE_DATA=/data \
    TOOLHONE_QUIET_START=1
USER 10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["toolhone"]
CMD ["serve", "--http", "0.0.0.0:8000", "--remote"]
