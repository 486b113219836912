"""Where things go from this machine, as settings and environment say: addresses without their paths."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from toolhone.exceptions import ConfigurationError
from toolhone.keeping.inventory import Destination
from toolhone.registry.config import Endpoint, load_servers
from toolhone.settings import Settings

COLLECTOR = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def destinations(settings: Settings, environ: Mapping[str, str]) -> tuple[Destination, ...]:
    """All there can be, in use or not. Reads the servers file; blocks."""
    key = environ.get(settings.openai_key)
    collector = next((environ[name] for name in COLLECTOR if environ.get(name)), None)
    return (
        *_servers(settings, environ),
        Destination(
            name="HTTP tools of the registry",
            what="the arguments of each call",
            where=None if settings.registry is None else f"as the files in {settings.registry} say",
        ),
        Destination(
            name="the fine-tuning API",
            what="datasets and test rows of the jobs that are approved for it",
            where=_host(settings.openai_url) if key else None,
        ),
        Destination(
            name="the judge model",
            what="test rows and models' answers, where a job or comparison asks for the scorer judge",
            where=_host(settings.judge_url) if settings.judge_model else None,
        ),
        Destination(
            name="the collector of traces",
            what="names of tools and servers, times, ids; no arguments and no results",
            where=_host(collector) if collector else None,
        ),
        Destination(
            name="the authorization server",
            what="requests for its keys",
            where=_host(settings.oauth_jwks)
            if settings.oauth_jwks and settings.oauth_jwks.startswith("https:")
            else None,
        ),
        Destination(
            name="exports",
            what="snapshots and the audit, redacted as they are kept",
            where=None if settings.export_folder is None else str(settings.export_folder),
        ),
    )


def _servers(settings: Settings, environ: Mapping[str, str]) -> Iterator[Destination]:
    if settings.config is None:
        return
    try:
        entries = load_servers(settings.config, environ).entries
    except ConfigurationError:
        yield Destination(name="downstream servers", what="nothing: their file is not valid", where=None)
        return
    for entry in entries:
        at = _host(entry.target.url) if isinstance(entry.target, Endpoint) else "a process on this machine"
        yield Destination(
            name=f"the server {entry.name}",
            what="the arguments of each call to its tools, and the request's trace id",
            where=None if entry.disabled or entry.target is None else at,
        )


def _host(address: str) -> str:
    """An address as far as it is no secret."""
    parts = urlsplit(address)
    host = parts.hostname or address
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
