"""Sending traces to a collector, where the environment names one (OTEL_EXPORTER_OTLP_ENDPOINT)."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from toolhone import __version__
from toolhone.exceptions import ConfigurationError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OVER_HTTP = "http/protobuf"


@contextmanager
def telemetry(environ: Mapping[str, str]) -> Generator[None]:
    """Send spans while this lasts, and the last of them at its end. Without an endpoint nothing is loaded.

    Raises:
        ConfigurationError: It is asked for, and is not installed or not possible.
    """
    if not is_wanted(environ):
        yield
        return
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), OVER_HTTP)
    if protocol != OVER_HTTP:
        raise ConfigurationError(
            f"Traces are sent as {OVER_HTTP} only, not as {protocol!r}. Unset {PROTOCOLS[1]}, and name the "
            "HTTP port of the collector (4318 mostly) in OTEL_EXPORTER_OTLP_ENDPOINT."
        )
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and what sends traces is not installed. Install "
            "toolhone[otel], or unset the variable."
        ) from exc
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are heeded by the SDK, and win.
    name = {} if _names_itself(environ) else {"service.name": "toolhone"}
    provider = TracerProvider(resource=Resource.create({**name, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a collector, and does not forbid it."""
    off = (
        environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not off and any(environ.get(name) for name in ENDPOINTS)


def _names_itself(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("OTEL_SERVICE_NAME")) or "service.name=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
