"""What is seen of a running server: /health, /ready, /metrics, and requests in traces."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from toolhone.events import new_event
from toolhone.models import LOCAL_CALLER, EventKind, Json, JsonObject
from toolhone.roles import Role
from toolhone.server import health
from toolhone.server.dashboard.preparation import Preparation
from toolhone.server.http import build_http
from toolhone.server.metrics import Metrics


@asynccontextmanager
async def served(toolhone: Json) -> AsyncGenerator[Callable[..., Json]]:
    """Asks the HTTP application of a running toolhone, as an operator unless another token is given."""
    api = build_http(toolhone.app)
    _, secret = await toolhone.app.tokens.issue(caller=LOCAL_CALLER, name="observer", role=Role.OPERATOR)
    async with (
        api.router.lifespan_context(api),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(api), base_url="http://127.0.0.1") as client,
    ):

        async def get(path: str, *, credential: bool = True, **headers: str) -> httpx2.Response:
            if credential:
                headers["Authorization"] = f"Bearer {secret}"
            return await client.get(path, headers=headers)

        yield get


def samples(text: str) -> Callable[..., float | None]:
    """Reads a sample by its name and the values of its labels, in whatever order."""
    found = {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def read(name: str, *labels: str) -> float | None:
        return found.get((name, frozenset(labels)))

    return read


async def test_metrics_count_what_was_done_once(
    open_toolhone: Json, plain_server: Callable[..., Json]
) -> None:
    async with open_toolhone({"plain": plain_server()}) as toolhone, served(toolhone) as get:
        async with toolhone.connected() as session:
            await session.tell("find_tools", {"task": "add two numbers"})
            await session.tell("find_tools", {"task": "write a note"})
            await session.run(
                {"tool": "add", "arguments": {"a": 1, "b": 2}},
                {"tool": "plain__echo", "arguments": {"text": "hi"}},
                {"tool": "fail", "arguments": {"reason": "told to"}},
                {"tool": "add", "arguments": {"a": "one", "b": 2}},
                {"tool": "no_such_tool", "arguments": {}},
            )

        answer = await get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    found = samples(answer.text)
    assert found("toolhone_calls_total", "add", "local", "ok") == 1
    assert found("toolhone_calls_total", "plain__echo", "plain", "ok") == 1
    assert found("toolhone_calls_total", "fail", "local", "tool_failed") == 1
    assert found("toolhone_refusals_total", "invalid_arguments") == 1
    assert found("toolhone_refusals_total", "unknown_tool") == 1
    assert found("toolhone_selections_total", "found") == 2
    assert found("toolhone_selection_duration_seconds_count") == 2
    assert found("toolhone_server_up", "plain") == 1
    assert found("toolhone_audit_events_total", "call") == 3
    assert (found("toolhone_schema_tokens_total") or 0) > 0
    assert (found("toolhone_tools") or 0) > 4
    assert "no_such_tool" not in answer.text


async def test_all_schemas_count_once_a_session(open_toolhone: Json) -> None:
    async with open_toolhone() as toolhone, served(toolhone) as get:
        async with toolhone.connected() as session:
            await session.tell("find_tools", {"task": "add two numbers"})
            once = samples((await get("/metrics")).text)("toolhone_schema_tokens_total")
            await session.tell("find_tools", {"task": "add three numbers"})

        twice = samples((await get("/metrics")).text)("toolhone_schema_tokens_total")

    assert once == twice
    assert once


async def test_requests_are_counted_by_route_and_not_by_path(open_toolhone: Json) -> None:
    async with open_toolhone() as toolhone, served(toolhone) as get:
        for number in range(3):
            assert (await get(f"/api/v1/made-up-{number}")).status_code == 404
        await get("/health", credential=False)

        found = samples((await get("/metrics")).text)

    assert found("toolhone_http_requests_total", "other", "GET", "404") == 3
    assert found("toolhone_http_requests_total", "/health", "GET", "200") == 1


async def test_metrics_are_for_operators(open_toolhone: Json) -> None:
    async with open_toolhone(role=Role.AGENT) as toolhone, served(toolhone) as get:
        assert (await get("/metrics", credential=False)).status_code == 401
        assert (await get("/metrics")).status_code == 403  # bounded by the role of the launch


async def test_health_and_readiness_need_no_credential(open_toolhone: Json) -> None:
    async with open_toolhone() as toolhone, served(toolhone) as get:
        alive, ready = await get("/health", credential=False), await get("/ready", credential=False)

    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert set(ready.json()["checks"]) == {"registry", "audit", "data_folder", "selector", "dashboard"}


async def test_a_server_is_ready_when_its_first_pages_are(
    open_toolhone: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = anyio.Event()
    prepare = Preparation.run

    async def later(self: Preparation) -> None:
        await begin.wait()
        await prepare(self)

    monkeypatch.setattr(Preparation, "run", later)
    monkeypatch.setattr(health, "FRESH_FOR", -1.0)
    async with open_toolhone() as toolhone, served(toolhone) as get:
        with monkeypatch.context() as impatient:
            impatient.setattr(health, "PATIENCE", 0.1)
            before = await get("/ready", credential=False)
        begin.set()
        after = await get("/ready", credential=False)

    assert (before.status_code, before.json()["checks"]["dashboard"]["ok"]) == (503, False)
    assert (after.status_code, after.json()["checks"]["dashboard"]) == (200, {"ok": True})


async def test_readiness_says_for_how_many_tools_meaning_does_not_count_yet(
    open_toolhone: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_FOR", -1.0)
    async with open_toolhone() as toolhone, served(toolhone) as get:
        gateway = await toolhone.app.gateway()
        tools = len(gateway.tools(LOCAL_CALLER))
        before = await get("/ready", credential=False)
        await gateway.indexed()
        after = await get("/ready", credential=False)

    assert (before.status_code, after.status_code) == (200, 200)
    assert before.json()["checks"]["selector"]["ok"]
    assert before.json()["checks"]["selector"]["reason"].startswith(f"0 of {tools} tools are encoded")
    assert after.json()["checks"]["selector"] == {"ok": True}


async def test_who_cannot_record_is_not_ready_and_says_why(
    open_toolhone: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_FOR", -1.0)
    async with open_toolhone() as toolhone, served(toolhone) as get:
        assert (await get("/ready", credential=False)).status_code == 200
        monkeypatch.setattr(health, "PATIENCE", 0.1)
        other = sqlite3.connect(tmp_path / "data" / "audit.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked = await get("/ready", credential=False)
        other.execute("ROLLBACK")
        other.close()
        freed = await get("/ready", credential=False)

    assert locked.status_code == 503
    body: JsonObject = locked.json()
    assert (body["status"], body["checks"]["audit"]["ok"]) == ("not_ready", False)
    assert "lock" in body["checks"]["audit"]["reason"]
    assert str(tmp_path) not in json.dumps(body)
    assert freed.status_code == 200


async def test_a_disk_without_room_is_not_ready(open_toolhone: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ROOM", 2**62)
    async with open_toolhone() as toolhone, served(toolhone) as get:
        answer = await get("/ready", credential=False)

    assert answer.status_code == 503
    assert "MiB left" in answer.json()["checks"]["data_folder"]["reason"]


async def test_the_sessions_that_were_counted_today_do_not_fill_the_memory(
    open_toolhone: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolhone.server.metrics.MOST_SESSIONS", 2)

    def searched(session: str) -> None:
        caller = replace(LOCAL_CALLER, session=session)
        event = new_event(EventKind.SELECTION, caller, success=True, payload={"tokens_of_all": 100})
        metrics.recorded(event, 0.001)

    async with open_toolhone() as toolhone:
        metrics = Metrics(toolhone.app)
        for session in ("a", "a", "b", "b", "c", "b", "c"):
            searched(session)
        assert samples((await metrics.text()).decode())("toolhone_schema_tokens_total") == 300
        searched("a")  # forgotten meanwhile
        assert samples((await metrics.text()).decode())("toolhone_schema_tokens_total") == 400
