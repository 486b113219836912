"""Jobs over REST: from a plan to a model in use, watched while it goes on."""

import json
from collections.abc import AsyncGenerator
from typing import TypeAlias

import anyio
import httpx2
import pytest

from toolhone.jobs.attempt import Pauses
from toolhone.models import Json, JsonObject
from toolhone.roles import Role

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json

QUICK = Pauses(look=0.02, poll_here=0.02, poll_first=0.02, poll_later=0.02, backoff=0.02, arriving=0.02)
WORDS = [f"{first}{second}{third}" for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]


def snapshot(number: int) -> JsonObject:
    word = WORDS[number] * 8
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
    }


def right(model: str, messages: list[JsonObject], tools: Json) -> JsonObject:
    """What the tuned model says: the right answer, where its base says something else."""
    word = str(messages[-1]["content"]).split()[2]
    return {"content": f"{word} is clean" if model.startswith("ft:") else "I cannot tell."}


async def planned(rest: Rest, client: httpx2.AsyncClient, openai: Json) -> JsonObject:
    """A plan over a fresh dataset; its job will run quickly."""
    openai.service.say = right
    (await rest.app.finetuning_parts()).steps.pauses = QUICK
    body = {"snapshots": [snapshot(number) for number in range(300)]}
    assert (await client.post("/api/v1/snapshots", json=body)).status_code == 201
    dataset = await client.post("/api/v1/datasets", json={"category": "core_security"})
    assert dataset.status_code == 201, dataset.text
    plan = await client.post("/api/v1/plans", json={"config": openai.config})
    assert plan.status_code == 201, plan.text
    return plan.json()


class Event:
    """One server-sent event."""

    def __init__(self, block: list[str]) -> None:
        fields = [line.partition(": ") for line in block]
        values = {name: value for name, _, value in fields}
        self.name = values.get("event", "message")
        self.id = values.get("id")
        self.data: Json = json.loads(values.get("data", "null"))


async def events_of(answer: httpx2.Response) -> AsyncGenerator[Event]:
    block: list[str] = []
    async for line in answer.aiter_lines():
        if line:
            block.append(line)
            continue
        if not block[0].startswith(":"):
            yield Event(block)
        block = []


async def test_a_job_is_approved_watched_to_its_end_and_its_model_used(
    open_rest: OpenRest, openai: Json
) -> None:
    async with open_rest(**openai.settings) as rest, rest.client() as client:
        plan = await planned(rest, client, openai)
        assert (await client.get(f"/api/v1/plans/{plan['plan_id']}")).json() == plan
        created = await client.post("/api/v1/jobs", json={"plan_id": plan["plan_id"]})
        job = created.json()
        assert (created.status_code, job["status"]) == (201, "awaiting_approval")
        address = f"/api/v1/jobs/{job['job_id']}"

        seen: list[Event] = []
        with anyio.fail_after(60):
            async with client.stream("GET", f"{address}/events/stream") as answer:
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/event-stream")
                async for event in events_of(answer):
                    if not seen:  # it waits for the word of somebody, and the stream with it
                        approved = await client.post(f"{address}/approve")
                        assert approved.json()["status"] == "queued"
                    seen.append(event)

        listed = (await client.get(f"{address}/events")).json()
        last = seen[-1]
        told = [event.data for event in seen if event.name not in {"job", "end"}]
        assert told == listed["events"]
        assert [int(event.id or 0) for event in seen[:-1] if event.id] == [one["seq"] for one in told]
        assert {"status", "metrics"} <= {event.name for event in seen}
        assert (last.name, last.id) == ("end", f"{listed['last']}.end")
        assert seen[-2].name == "job" and seen[-2].data["status"] == "succeeded", seen[-2].data["verdict"]
        assert seen[-2].data == (await client.get(address)).json()

        # A browser that was cut off comes again, and misses nothing; one that was told all is sent away.
        halfway = told[len(told) // 2]["seq"]
        cut_off = {"Last-Event-ID": str(halfway)}
        async with client.stream("GET", f"{address}/events/stream", headers=cut_off) as answer:
            rest_of_it = [event async for event in events_of(answer)]
        assert [one.data for one in rest_of_it[:-2]] == [one for one in told if one["seq"] > halfway]
        all_of_it = await client.get(f"{address}/events/stream", headers={"Last-Event-ID": last.id or ""})
        assert (all_of_it.status_code, all_of_it.content) == (204, b"")

        seed = (await client.get(f"/api/v1/finetuning/jobs/{job['job_id']}")).json()
        assert (seed["status"], seed["state"], seed["validation_accuracy"]) == ("completed", "succeeded", 1.0)

        await its_model_is_used(client, seed["finetuned_model_id"], openai)


async def its_model_is_used(client: httpx2.AsyncClient, model_id: str, openai: Json) -> None:
    models = (await client.get("/api/v1/models", params={"category": "core_security"})).json()
    assert [(one["model_id"], one["passed"]) for one in models["items"]] == [(model_id, True)]
    assert (await client.get(f"/api/v1/models/{model_id}")).json() == models["items"][0]

    alias = "/api/v1/aliases/core_security/production"
    used = await client.put(alias, json={"model_id": model_id})
    assert used.status_code == 200 and used.json()["model_id"] == model_id
    assert (await client.get("/api/v1/aliases")).json() == [used.json()]
    back = (await client.post(f"{alias}/rollback")).json()
    assert back["model_id"] is None
    assert (await client.get(alias)).json() == [back, used.json()]
    more = await client.post(f"{alias}/rollback")
    assert (more.status_code, more.json()["code"]) == (409, "conflict")

    both = {"a": f"openai:{openai.config['base_model']}", "b": model_id}
    cost = (await client.post("/api/v1/comparisons/cost", json=both)).json()["upper_bound_usd"]
    asked = len(openai.service.asked)
    unpaid = await client.post("/api/v1/comparisons", json=both)
    assert (unpaid.status_code, unpaid.json()["code"]) == (409, "budget_exceeded")
    assert len(openai.service.asked) == asked
    compared = await client.post("/api/v1/comparisons", json={**both, "max_cost_usd": cost})
    assert compared.status_code == 201, compared.text
    kept = compared.json()
    assert kept["difference"]["wins"] == kept["n"]
    listed = (await client.get("/api/v1/comparisons")).json()["items"]
    assert [one["comparison_id"] for one in listed] == [kept["comparison_id"]]
    address = f"/api/v1/comparisons/{kept['comparison_id']}"
    assert (await client.get(address)).json() == kept
    page = await client.get(f"{address}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert kept["conclusion"].split(".")[0] in page.text

    budget = (await client.get("/api/v1/budgets/core_security")).json()
    assert budget["limit_usd"] is None and budget["spent_usd"] > 0
    limited = await client.put("/api/v1/budgets/core_security", json={"limit_usd": budget["spent_usd"]})
    assert limited.json() == {**budget, "limit_usd": budget["spent_usd"]}


async def test_what_a_job_is_past_is_a_conflict(open_rest: OpenRest, openai: Json) -> None:
    async with open_rest(**openai.settings) as rest, rest.client() as client:
        plan = await planned(rest, client, openai)
        job = (await client.post("/api/v1/jobs", json={"plan_id": plan["plan_id"]})).json()
        address = f"/api/v1/jobs/{job['job_id']}"
        early = await client.post(f"{address}/retry")
        cancelled = await client.post(f"{address}/cancel")
        late = [await client.post(f"{address}/{verb}") for verb in ("cancel", "approve")]
        again = await client.post(f"{address}/retry")
        states = {
            status: (await client.get("/api/v1/jobs", params={"status": status})).json()["items"]
            for status in ("awaiting_approval", "cancelled")
        }

    assert cancelled.json()["status"] == "cancelled"
    assert [(one.status_code, one.json()["code"]) for one in [early, *late]] == [(409, "conflict")] * 3
    assert (again.json()["status"], again.json()["attempt"]) == ("awaiting_approval", 2)
    assert [len(found) for found in states.values()] == [1, 0]


@pytest.mark.parametrize("path", ["", "/events", "/events/stream"])
async def test_a_job_that_is_not_there_is_not_found(admin: httpx2.AsyncClient, path: str) -> None:
    answer = await admin.get(f"/api/v1/jobs/..%2f..%2fetc{path}")
    assert answer.status_code == 404
    answer = await admin.get(f"/api/v1/jobs/finetune_x{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"plan_id": "p", "dataset_id": "d"}, {"plan_id": "p", "config": {}}])
async def test_a_job_is_of_a_plan_or_of_a_configuration(admin: httpx2.AsyncClient, body: JsonObject) -> None:
    assert (await admin.post("/api/v1/jobs", json=body)).status_code == 422


async def test_providers_say_what_they_can_do(rest: Rest) -> None:
    async with rest.client(Role.VIEWER) as client:
        found = (await client.get("/api/v1/providers")).json()

    assert {one["provider"] for one in found} == {"local", "openai", "selector", "anthropic"}
    assert all(one["available"] or one["unavailable_why"] for one in found)
