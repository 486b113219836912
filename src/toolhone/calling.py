"""A call's way through toolhone, composed once: which link stands around which."""

from collections.abc import Callable

from toolhone import tokens
from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.execution.chain import Invoke, compose, definition_of
from toolhone.execution.executor import Executor
from toolhone.execution.limits import CallLimits, limiting
from toolhone.execution.links import (
    Refusal,
    authorizing,
    checking_arguments,
    checking_output,
    compacting,
    not_refused,
    preparing,
    refuse_if,
)
from toolhone.execution.metering import TokenMeter
from toolhone.execution.recording import recording
from toolhone.execution.results import ResultKeeper
from toolhone.execution.retry import retrying
from toolhone.execution.snapshotting import SnapshotWriter
from toolhone.execution.timeout import timing
from toolhone.identifiers import new_id
from toolhone.models import Limits, ToolCall, ToolOutput
from toolhone.reach import Reach
from toolhone.registry.catalog import Catalog
from toolhone.settings import Settings
from toolhone.statistics import Usage


def build_executor(
    settings: Settings,
    catalog: Catalog,
    reach: Reach,
    audit: AuditLog,
    usage: Usage,
    results: ResultKeeper,
    server_limits: Callable[[str], Limits],
    *,
    limits: CallLimits | None = None,
    refusal: Refusal = not_refused,
    on_call: Callable[[], None] = lambda: None,
    snapshotting: SnapshotWriter | None = None,
) -> Executor:
    """A call's way, outermost link first. Executors that are given the same `limits` share them.

    Args:
        snapshotting: Takes note of calls that become snapshots.
    """

    def observe(tool: str, success: bool, execution_time_ms: float, tokens_used: int) -> None:
        usage.observe(tool, success, execution_time_ms, tokens_used)
        on_call()

    record = recording(
        record=audit.record,
        observe=observe,
        new_event=new_event,
        meter=TokenMeter(tokens.count_tokens),
    )
    limits = limits or CallLimits(
        server_limits=server_limits,
        server_default=Limits(max_concurrency=settings.server_concurrency),
        caller_default=Limits(max_concurrency=settings.caller_concurrency),
    )
    chain = compose(
        [
            *([snapshotting.link] if snapshotting is not None else []),
            record,
            compacting(results.compact),
            authorizing(reach.near, refusal=refusal),
            checking_arguments,
            retrying(record=audit.record, new_event=new_event),
            limiting(limits),
            preparing(catalog.prepare),
            timing(default_seconds=settings.call_timeout, server_limits=server_limits),
            checking_output(results.keep),
        ],
        _calling(catalog, refusal),
    )
    return Executor(
        find=reach.get, chain=chain, record=record, new_call_id=new_id, max_calls=settings.max_calls
    )


def _calling(catalog: Catalog, refusal: Refusal) -> Invoke:
    async def invoke(call: ToolCall) -> ToolOutput:
        # Once more: its server was perhaps started for this call, and has another definition of it now.
        refuse_if(refusal, call)
        return await catalog.call(definition_of(call), call.arguments, report_progress=call.report_progress)

    return invoke
