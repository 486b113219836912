"""How the parts are put together, where it decides what a caller sees."""

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from toolhone.access import ToolRules
from toolhone.app import open_app
from toolhone.audit import AuditLog
from toolhone.calling import build_executor
from toolhone.exceptions import ServerAuthenticationError
from toolhone.execution.results import ResultKeeper
from toolhone.models import (
    LOCAL_CALLER,
    CallResult,
    EventKind,
    JsonObject,
    Limits,
    ProgressReporter,
    ToolDefinition,
    ToolOutput,
)
from toolhone.reach import Reach
from toolhone.redaction import redact
from toolhone.registry.catalog import Catalog
from toolhone.registry.self_reference import NESTING_MARK
from toolhone.settings import Settings
from toolhone.statistics import Usage
from toolhone.storage.memory import MemoryAuditStore
from toolhone.stores import AuditQuery, ResultStore, ToolUsage


class Needy:
    """A toolset whose one tool needs something running first; it notes how long that may take."""

    definition = ToolDefinition(name="far", description="", input_schema={"type": "object"})

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.deadlines: list[tuple[str, float]] = []

    def tools(self) -> Sequence[ToolDefinition]:
        return [self.definition]

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        self.deadlines.append(("start", anyio.current_effective_deadline()))
        if self.failure is not None:
            raise self.failure

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        self.deadlines.append(("call", anyio.current_effective_deadline()))
        return ToolOutput(structured=1, has_structured=True)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


async def call(toolset: Needy) -> tuple[CallResult, list[JsonObject]]:
    """One call of its tool through the whole chain, and the audit of it."""

    async def nothing_recorded() -> dict[str, ToolUsage]:
        return {}

    def no_store() -> ResultStore:
        raise AssertionError("nothing large is answered here")

    audit, catalog = AuditLog(MemoryAuditStore, redact=redact), Catalog([toolset])
    executor = build_executor(
        Settings(call_timeout=30),
        catalog,
        Reach(catalog, ToolRules({}, {})),
        audit,
        Usage(nothing_recorded),
        ResultKeeper(no_store, new_handle=lambda: "h", count_tokens=len),
        lambda server: Limits(),
    )
    (result,) = await executor.run_batch([{"tool": "far"}], caller=LOCAL_CALLER, request_id="r")
    rows = await audit.query(AuditQuery())
    await audit.aclose()
    return result, rows


async def test_what_a_tool_needs_is_started_before_the_time_of_the_call_counts() -> None:
    toolset = Needy()
    before = anyio.current_time()
    result, _ = await call(toolset)
    assert result.result == 1
    (start, at_start), (run, at_run) = toolset.deadlines
    assert (start, at_start) == ("start", float("inf"))
    assert run == "call"
    assert before + 30 <= at_run < float("inf")


async def test_a_call_whose_server_does_not_start_was_never_sent() -> None:
    toolset = Needy(ServerAuthenticationError("Server 'far' refused our credentials."))
    result, rows = await call(toolset)
    assert result.error is not None
    assert result.error.code == "server_authentication_failed"
    assert result.execution_time_ms == 0
    assert [what for what, _ in toolset.deadlines] == ["start"]
    assert [row["kind"] for row in rows] == [EventKind.REFUSAL]


async def test_a_toolhone_that_toolhone_started_starts_no_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "mcp.json"
    config.write_text('{"mcpServers": {"one": {"command": "no-such-command"}}}')
    settings = Settings(data=tmp_path / "data", config=config, registry=None)
    async with open_app(settings, {}) as app:
        assert [state.name for state in app.server_states()] == ["one"]
    async with open_app(settings, {NESTING_MARK: "1"}) as app:
        assert app.server_states() == []
        assert "started by another toolhone" in app.notices()[0]
