"""What is being done just now: a span of a trace, and the ids that log lines and audit rows get from it.

Spans cost next to nothing and lead nowhere unless an OpenTelemetry SDK is set up (`cli/telemetry.py`). The
trace that a client sends is passed on to downstream servers either way.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType, TracebackType
from typing import ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

P = ParamSpec("P")
R = TypeVar("R")

Value = str | int | float | bool

_NOTHING: Mapping[str, str] = MappingProxyType({})
_tracer = trace.get_tracer("toolhone")
_ids: ContextVar[Mapping[str, str]] = ContextVar("toolhone.ids", default=_NOTHING)
_trace_context = TraceContextTextMapPropagator()


class activity:
    """Do something under a span of this name, a child of what is being done already."""

    __slots__ = ("_attributes", "_ids", "_kind", "_name", "_spanning", "_token")

    def __init__(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        ids: Mapping[str, str] = _NOTHING,
        attributes: Mapping[str, Value] = _NOTHING,
    ) -> None:
        """Nothing is begun yet.

        Args:
            ids: Also in log lines; in the span they have `toolhone.` before their name.
            attributes: Of the span alone.
        """
        self._name = name
        self._kind = kind
        self._ids = ids
        self._attributes = attributes
        self._spanning: AbstractContextManager[Span] | None = None

    def __enter__(self) -> Span:
        self._token = _ids.set({**_ids.get(), **self._ids})
        if not is_traced():
            # Whatever span there is came with a request: what we send on still belongs to it.
            return trace.get_current_span()
        named = {f"toolhone.{key}": value for key, value in self._ids.items()}
        self._spanning = _tracer.start_as_current_span(
            self._name,
            kind=self._kind,
            attributes={**self._attributes, **named},
            # The text of an error may hold what a tool was given; its code says enough (see `failed`).
            record_exception=False,
            set_status_on_exception=False,
        )
        return self._spanning.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        try:
            if self._spanning is not None:
                self._spanning.__exit__(kind, error, trace_back)
        finally:
            _ids.reset(self._token)


def is_traced() -> bool:
    """Whether spans lead anywhere: an OpenTelemetry SDK is set up."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def acting(name: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Make every call of a coroutine function an activity; what it notes is of that."""

    def decorated(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with activity(name):
                return await function(*args, **kwargs)

        return run

    return decorated


def note(**ids: str) -> None:
    """Add ids to the activity that goes on, for its span and for log lines from now on."""
    present = _ids.get()
    if isinstance(present, MutableMapping):
        present.update(ids)
    describe({f"toolhone.{key}": value for key, value in ids.items()})


def describe(attributes: Mapping[str, Value]) -> None:
    """Add attributes to the span of the activity that goes on, if spans lead anywhere."""
    if is_traced():
        trace.get_current_span().set_attributes(dict(attributes))


def failed(span: Span, code: str) -> None:
    """Mark a span as failed, with the code of the error."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


def present_ids() -> dict[str, str]:
    """The ids of what is being done, with the trace's, if there is one."""
    found = trace_id()
    return {**_ids.get(), **({"trace_id": found} if found else {})}


def trace_id() -> str | None:
    """The trace that goes on, as 32 hexadecimal digits."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def trace_headers() -> dict[str, str]:
    """`traceparent` and `tracestate` for a request of ours; empty without a trace.

    Not baggage: what a client put there is not for strangers.
    """
    headers: dict[str, str] = {}
    _trace_context.inject(headers)
    return headers
