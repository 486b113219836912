"""Fine-tuning over MCP, from the first snapshot to a model in use, against a real HTTP service."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest
from mcp import MCPError, types

from toolhone.jobs.attempt import Pauses
from toolhone.models import LOCAL_CALLER, Json, JsonObject
from toolhone.roles import Role

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

Session: TypeAlias = Json
OpenToolhone: TypeAlias = Json

MODEL = "gpt-4.1-mini-2025-04-14"
QUICK = Pauses(look=0.02, poll_here=0.02, poll_first=0.02, poll_later=0.02, backoff=0.02, arriving=0.02)

PRICES = """
["127.0.0.1".models."gpt-4.1-mini-2025-04-14"]
training_usd_per_million = 5.0
input_usd_per_million = 0.8
output_usd_per_million = 3.2
as_of = 2026-11-01
source = "the test"
"""

LONG_WORDS = [f"{first}{second}{third}" for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]


def snapshot(number: int, **changes: Json) -> JsonObject:
    word = LONG_WORDS[number] * 8
    return {
        "agent_id": "scanner_v2",
        "agent_name": "Scanner V2",
        "category": "core_security",
        "task_type": ("scan", "fix")[number % 2],
        "input_data": {"query": f"look at {word} for holes"},
        "output_data": {"content": f"{word} is clean"},
        "success": True,
        "performance_score": 0.95,
        "execution_time_ms": 120.5,
        "tokens_used": 150,
        **changes,
    }


def right(model: str, messages: list[JsonObject], tools: Json) -> JsonObject:
    """What the tuned model says: the right answer, where its base says something else."""
    word = str(messages[-1]["content"]).split()[2]
    return {"content": f"{word} is clean" if model.startswith("ft:") else "I cannot tell."}


@asynccontextmanager
async def trained_by(
    open_toolhone: OpenToolhone,
    service: "OpenAIServer",
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    **client: Json,
) -> AsyncGenerator[Session]:
    monkeypatch.setenv("OPENAI_API_KEY", service.api_key)
    prices = folder / "prices.toml"
    prices.write_text(PRICES)
    async with open_toolhone(openai_url=service.base_url, prices=prices) as toolhone:
        (await toolhone.app.finetuning_parts()).steps.pauses = QUICK
        async with toolhone.connected(**client) as session:
            yield session


async def collected(session: Session, count: int = 300) -> None:
    system = await session.app.finetuning()
    await system.collect([snapshot(number) for number in range(count)], caller=LOCAL_CALLER)


async def until_over(session: Session, job_id: str) -> JsonObject:
    system = await session.app.finetuning()
    with anyio.fail_after(60):
        async for job in system.watch(job_id, caller=LOCAL_CALLER):
            if job.status.final:
                break
    return await session.tell("get_finetuning_job", {"job_id": job_id, "events_after": 0})


CONFIG: Mapping[str, Json] = {
    "category": "core_security",
    "provider": "openai",
    "base_model": MODEL,
    "n_epochs": 2,
    "batch_size": 8,
}


async def test_a_model_is_trained_judged_and_used(
    open_toolhone: OpenToolhone, openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_api.say = right
    async with trained_by(open_toolhone, openai_api, tmp_path, monkeypatch) as session:
        await collected(session)
        told = await session.tell("collect_snapshot", snapshot(301))
        assert told["snapshot_id"]
        dataset = await session.tell("prepare_dataset", {"category": "core_security", "time_range_days": 7})
        assert dataset["counts"]["train"] > 200
        plan = await session.tell("estimate_finetuning", {"config": dict(CONFIG)})
        assert plan["needs_approval"]
        assert 0 < plan["estimate"]["cost_usd"] <= plan["estimate"]["upper_bound_usd"] < 1
        assert not openai_api.jobs and not openai_api.files

        job = await session.tell("create_finetuning_job", {"plan_id": plan["plan_id"]})
        assert job["status"] == "awaiting_approval"
        again = await session.tell("create_finetuning_job", {"plan_id": plan["plan_id"]})
        assert again["job_id"] == job["job_id"]

        await (await session.app.finetuning()).approve_job(job["job_id"], caller=LOCAL_CALLER)
        done = await until_over(session, job["job_id"])
        assert done["status"] == "succeeded", done
        assert done["verdict"]["decision"] == "passed"
        assert done["validation_score"] == 1.0 and done["base_score"] == 0.0
        assert 0 < done["cost_usd"] <= plan["estimate"]["upper_bound_usd"]
        assert [event["seq"] for event in done["events"]] == sorted(e["seq"] for e in done["events"])
        assert len(openai_api.jobs) == 1

        models = {"a": f"openai:{MODEL}", "b": done["model_id"]}
        asked = len(openai_api.asked)
        assert (await session.refusal("compare_models", models)).startswith("budget_exceeded")
        assert len(openai_api.asked) == asked
        compared = await session.tell("compare_models", {**models, "max_cost_usd": 1})
        assert compared["difference"]["wins"] == compared["n"]
        alias = {"category": "core_security", "alias": "production"}
        used = await session.tell("set_model_alias", {**alias, "model": done["model_id"]})
        assert used["model_id"] == done["model_id"]
        back = await session.tell("set_model_alias", alias)
        assert back["model_id"] is None

        read = await session.client.read_resource(f"toolhone://jobs/{job['job_id']}")
        assert json.loads(read.contents[0].text)["model_id"] == done["model_id"]
        card = await session.client.read_resource(f"toolhone://datasets/{dataset['dataset_id']}")
        assert card.contents[0].mime_type == "text/markdown"
        figures = await session.client.read_resource("toolhone://finetuning")
        assert json.loads(figures.contents[0].text)["completed_jobs"] == 1
        explained = await session.client.get_prompt("explain_gate", {"job_id": job["job_id"]})
        assert done["model_id"] in explained.messages[0].content.text


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")
async def test_a_client_with_a_handshake_hears_of_the_steps_of_a_job_it_subscribed_to(
    open_toolhone: OpenToolhone, openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    updated = anyio.Event()

    async def hear(message: Json) -> None:
        notification = getattr(message, "root", message)
        if isinstance(notification, types.ResourceUpdatedNotification):
            heard.append(str(notification.params.uri))
            updated.set()

    opened = trained_by(open_toolhone, openai_api, tmp_path, monkeypatch, mode="legacy", message_handler=hear)
    async with opened as session:
        uri, approve = await waiting_job(session)
        await session.client.subscribe_resource(uri)
        await approve()
        with anyio.fail_after(60):
            await updated.wait()
        await session.client.unsubscribe_resource(uri)
    assert set(heard) == {uri}


async def test_a_client_since_2026_hears_of_them_on_its_listen_stream(
    open_toolhone: OpenToolhone, openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trained_by(open_toolhone, openai_api, tmp_path, monkeypatch) as session:
        uri, approve = await waiting_job(session)
        async with session.client.listen(resource_subscriptions=[uri]) as events:
            await approve()
            with anyio.fail_after(60):
                event = await anext(aiter(events))
            assert event.uri == uri


async def waiting_job(session: Session) -> tuple[str, Callable[[], Awaitable[Json]]]:
    """The resource of a job that waits for approval, and what approves it."""
    await collected(session)
    await session.tell("prepare_dataset", {"category": "core_security"})
    job = await session.tell("create_finetuning_job", {"config": dict(CONFIG)})
    system = await session.app.finetuning()
    approve = partial(system.approve_job, job["job_id"], caller=LOCAL_CALLER)
    return f"toolhone://jobs/{job['job_id']}", approve


async def test_a_cancelled_job_spends_nothing_more(
    open_toolhone: OpenToolhone, openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_api.hold = "running"
    async with trained_by(open_toolhone, openai_api, tmp_path, monkeypatch) as session:
        await collected(session)
        await session.tell("prepare_dataset", {"category": "core_security"})
        job = await session.tell("create_finetuning_job", {"config": dict(CONFIG)})
        system = await session.app.finetuning()
        await system.approve_job(job["job_id"], caller=LOCAL_CALLER)
        with anyio.fail_after(60):
            async for now in system.watch(job["job_id"], caller=LOCAL_CALLER):
                if now.provider_status == "running":
                    break
        await session.tell("cancel_finetuning_job", {"job_id": job["job_id"]})
        assert (await until_over(session, job["job_id"]))["status"] == "cancelled"
        (theirs,) = openai_api.jobs.values()
        assert theirs.status == "cancelled"


async def test_bad_input_is_refused_before_anything_is_written(session: Session) -> None:
    for wrong, said in (
        ({"category": "astrology"}, "astrology"),
        ({"performance_score": 7.5}, "performance_score"),
        ({"execution_time_ms": "soon"}, "execution_time_ms"),
        ({"success": None}, "success"),
    ):
        assert said in await session.refusal("collect_snapshot", snapshot(0, **wrong))
    assert "agent_id" in await session.refusal("collect_snapshot", {})
    few = await session.refusal("prepare_dataset", {"category": "core_security"})
    assert few.startswith("insufficient_data: Insufficient data for category: found 0, need 100")
    assert "astrology" in await session.refusal("prepare_dataset", {"category": "astrology"})
    config = {**CONFIG, "n_epochs": 99}
    assert "n_epochs" in await session.refusal("estimate_finetuning", {"config": config})
    config = {**CONFIG, "provider": "abacus"}
    assert "provider" in await session.refusal("estimate_finetuning", {"config": config})
    assert "plan" in await session.refusal("create_finetuning_job", {})
    assert "plan_0" in await session.refusal("create_finetuning_job", {"plan_id": "plan_0"})
    assert "finetune_x" in await session.refusal("get_finetuning_job", {"job_id": "finetune_x"})
    assert "'done'" in await session.refusal("list_finetuning_jobs", {"status": "done"})
    alias = {"category": "core_security", "alias": "production", "model": "nobody"}
    assert "nobody" in await session.refusal("set_model_alias", alias)
    assert (await session.tell("list_finetuning_jobs"))["jobs"] == []
    system = await session.app.finetuning()
    assert (await system.statistics(caller=LOCAL_CALLER))["total_snapshots"] == 0


async def test_nothing_of_a_refused_snapshot_is_kept_by_the_audit(session: Session) -> None:
    secret = snapshot(0, performance_score=7, user_id="anna-7", input_data={"query": "Ann Smith is ill"})
    await session.refusal("collect_snapshot", secret)

    row = (await session.rows("refusal"))[-1]

    assert "performance_score" in json.dumps(row)
    assert "Ann Smith" not in json.dumps(row) and "anna-7" not in json.dumps(row)


@pytest.mark.parametrize(
    ("role", "shown", "refused"),
    [
        (Role.VIEWER, 4, "call_tools"),
        (Role.AGENT, 7, "prepare_dataset"),
        (Role.OPERATOR, 7, "prepare_dataset"),
        (Role.ADMIN, 16, None),
    ],
)
async def test_a_role_sees_and_may_do_what_is_its_own(
    role: Role, shown: int, refused: str | None, open_toolhone: OpenToolhone
) -> None:
    async with open_toolhone(role=role) as toolhone, toolhone.connected() as session:
        names = [tool.name for tool in (await session.client.list_tools()).tools]
        assert len(names) == shown, names
        if refused is not None:
            assert refused not in names
            assert (await session.refusal(refused, {})).startswith("permission_denied")
            (row,) = await session.rows("refusal")
            assert row["violation"] == "permission_denied" or "permission_denied" in json.dumps(row)
        prompts = [prompt.name for prompt in (await session.client.list_prompts()).prompts]
        assert ("prepare_finetuning" in prompts) is (role is Role.ADMIN)


async def test_an_agent_may_hand_in_work_and_look_at_jobs_though_it_is_listed_neither(
    open_toolhone: OpenToolhone,
) -> None:
    async with open_toolhone(role=Role.AGENT) as toolhone, toolhone.connected() as session:
        assert (await session.tell("collect_snapshot", snapshot(0)))["snapshot_id"]
        assert (await session.tell("list_finetuning_jobs"))["jobs"] == []


async def test_calls_become_snapshots_where_it_is_asked_for(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone(snapshots={"customer_service": "redacted"}) as toolhone:
        async with toolhone.connected() as session:
            await session.one("write_note", text="Call bob@example.com back")
            await session.one("add", a=1, b=2)
            parts = await toolhone.app.finetuning_parts()
            with anyio.fail_after(60):
                while not (kept := await anyio.to_thread.run_sync(parts.stores.snapshots().counts)):
                    await anyio.lowlevel.checkpoint()
        (count,) = kept
        assert (count.category, count.snapshots) == ("customer_service", 1)


async def test_an_unknown_resource_or_prompt_of_fine_tuning_is_a_protocol_error(session: Session) -> None:
    for uri in ("toolhone://jobs/nobody", "toolhone://datasets/nothing", "toolhone://models/none"):
        with pytest.raises(MCPError, match="n"):
            await session.client.read_resource(uri)
    with pytest.raises(MCPError, match="job_id"):
        await session.client.get_prompt("explain_gate", {})
