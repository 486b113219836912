"""Prometheus metrics: what this process did since it started, and how things stand when they are asked for.

Counted from the audit events of this process, each once; names are explained in docs/observability.md. Labels
are bounded: a tool has one only if it is known, and of no more than `MOST_TOOLS`.
"""

from collections import Counter as Tally

import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from toolhone import __version__
from toolhone.app import App
from toolhone.finetuning_host import JOBS_FILE
from toolhone.models import AuditEvent, EventKind
from toolhone.records.jobs import JobStatus
from toolhone.registry.server_state import ServerStatus

MOST_TOOLS = 1_000
MOST_SESSIONS = 10_000
"""Remembered as counted today; past that the first are forgotten."""

DOWN = frozenset({ServerStatus.FAILED, ServerStatus.INVALID, ServerStatus.BACKOFF, ServerStatus.NEEDS_LOGIN})

OTHER = "other"
LOCAL = "local"

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
SLOW = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of buckets in seconds: for what toolhone does itself, and for tools and requests."""


# The time when a label was first seen, as a series of its own for each: twice as much to read, for nothing.
disable_created_metrics()


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tools: set[str] = set()
        self._day = ""
        self._seen: dict[str, None] = {}
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """Found once: to look labels up takes longer than to count. As many as there are label values."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Gauge("toolhone_build_info", "The version, as a label.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self._calls = Counter(
            "toolhone_calls",
            "Calls that reached their tool.",
            ["tool", "server", "outcome"],
            registry=registry,
        )
        self._call_seconds = Histogram(
            "toolhone_call_duration_seconds",
            "How long calls took inside their time limit, over all attempts.",
            ["server"],
            buckets=SLOW,
            registry=registry,
        )
        self._call_tokens = Counter(
            "toolhone_call_tokens", "o200k tokens of arguments and results.", ["server"], registry=registry
        )
        self._selections = Counter(
            "toolhone_selections", "Answers of find_tools.", ["outcome"], registry=registry
        )
        self._selection_seconds = Histogram(
            "toolhone_selection_duration_seconds",
            "How long find_tools took.",
            buckets=FAST,
            registry=registry,
        )
        self._selection_tokens = Counter(
            "toolhone_selection_tokens", "o200k tokens that find_tools answered.", registry=registry
        )
        self._schema_tokens = Counter(
            "toolhone_schema_tokens",
            "o200k tokens that all schemas would have taken, once a session and day.",
            registry=registry,
        )
        self._refusals = Counter(
            "toolhone_refusals", "Calls and requests that were turned away.", ["code"], registry=registry
        )
        self._events = Counter("toolhone_audit_events", "Audit rows written.", ["kind"], registry=registry)
        self._write_seconds = Histogram(
            "toolhone_audit_write_seconds",
            "How long an event waited until it was kept.",
            buckets=FAST,
            registry=registry,
        )
        self._requests = Counter(
            "toolhone_http_requests", "Answers over HTTP.", ["route", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "toolhone_http_request_duration_seconds",
            "How long requests took, streams to their end.",
            ["route"],
            buckets=SLOW,
            registry=registry,
        )
        self._up = Gauge(
            "toolhone_server_up",
            "1 if a downstream server runs or would be started by a call, 0 if it failed.",
            ["server"],
            registry=registry,
        )
        self._catalog = Gauge("toolhone_tools", "Tools in the catalog.", registry=registry)
        self._jobs = Gauge("toolhone_jobs", "Fine-tuning jobs.", ["status"], registry=registry)

    def recorded(self, event: AuditEvent, seconds: float) -> None:
        """Count an event that was recorded, and the time that took."""
        self._events.labels(event.kind.value).inc()
        self._write_seconds.observe(seconds)
        match event.kind:
            case EventKind.CALL:
                self._called(event)
            case EventKind.SELECTION:
                self._selected(event)
            case EventKind.REFUSAL:
                self._refusals.labels(event.error_code or "unknown").inc()
            case _:
                pass

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer over HTTP; `route` is its template, not its path."""
        known = self._answers.get((route, method, status))
        if known is None:
            known = self._requests.labels(route, method, str(status)), self._request_seconds.labels(route)
            self._answers[route, method, status] = known
        answers, durations = known
        answers.inc()
        durations.observe(seconds)

    async def text(self) -> bytes:
        """Everything in Prometheus' text format, with how things stand now."""
        gateway = self._app.built_gateway
        self._catalog.set(len(gateway.catalog.tools()) if gateway is not None else 0)
        for state in self._app.server_states():
            down = state.state in DOWN
            if state.state is not ServerStatus.DISABLED:
                self._up.labels(state.name).set(0 if down else 1)
        if (self._app.settings.data / JOBS_FILE).exists():
            jobs = await (await self._app.finetuning_parts()).board.jobs(limit=None)
            by_status = Tally(job.status for job in jobs)
            for status in JobStatus:
                self._jobs.labels(status.value).set(by_status[status])
        return await anyio.to_thread.run_sync(generate_latest, self.registry)

    def _called(self, event: AuditEvent) -> None:
        server = event.server or LOCAL
        outcome = "ok" if event.success else event.error_code or "unknown"
        self._calls.labels(self._tool(event.tool), server, outcome).inc()
        self._call_tokens.labels(server).inc(event.tokens_used or 0)
        if event.execution_time_ms is not None:
            self._call_seconds.labels(server).observe(event.execution_time_ms / 1000)

    def _selected(self, event: AuditEvent) -> None:
        self._selections.labels("found" if event.success else "nothing").inc()
        self._selection_tokens.inc(event.tokens_used or 0)
        if event.execution_time_ms is not None:
            self._selection_seconds.observe(event.execution_time_ms / 1000)
        # What a context holds stays in it, so all schemas would have been there once.
        day, who = event.timestamp[:10], event.caller.session or event.caller.principal
        if day != self._day:
            self._day, self._seen = day, {}
        if who not in self._seen:
            if len(self._seen) >= MOST_SESSIONS:
                del self._seen[next(iter(self._seen))]
            self._seen[who] = None
            self._schema_tokens.inc(event.payload.get("tokens_of_all", 0))

    def _tool(self, name: str | None) -> str:
        if name in self._tools:
            return name
        gateway = self._app.built_gateway
        known = name is not None and gateway is not None and gateway.catalog.get(name) is not None
        if name is None or not known or len(self._tools) >= MOST_TOOLS:
            return OTHER
        self._tools.add(name)
        return name
