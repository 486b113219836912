"""The seed's endpoints of fine-tuning: its requests as they stand, and the answers that its clients read."""

from typing import TypeAlias

import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.records.jobs import FINAL, JobStatus
from toolhone.roles import Role
from toolhone.server.api.bodies_of_finetuning import SEED_STATUS

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json

SEED: JsonObject = {
    "agent_id": "scanner_v2",
    "agent_name": "Scanner V2",
    "category": "core_security",
    "task_type": "code_scan",
    "input_data": {"file_path": "app.py"},
    "output_data": {"vulnerabilities": []},
    "success": True,
    "performance_score": 0.95,
    "execution_time_ms": 1250.5,
    "tokens_used": 150,
    "user_feedback": 0.9,
    "metadata": {"model": "some-model"},
}

WORDS = [f"{first}{second}{third}" for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]


def snapshot(number: int, **changes: Json) -> JsonObject:
    """One that differs from the others in its words, so that it is no near-duplicate of them."""
    word = WORDS[number] * 8
    return {
        **SEED,
        "input_data": {"query": f"look at {word} for holes"},
        "output_data": {"content": f"{word} is clean"},
        **changes,
    }


async def filled(client: httpx2.AsyncClient, count: int = 150) -> None:
    answer = await client.post(
        "/api/v1/snapshots", json={"snapshots": [snapshot(number) for number in range(count)]}
    )
    assert answer.status_code == 201, answer.text


async def test_the_seeds_snapshot_is_collected_as_it_stands(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client(Role.AGENT) as client, rest.client() as admin:
        answer = await client.post("/api/v1/finetuning/collect", json=SEED)
        bare = {key: SEED[key] for key in SEED if key not in {"tokens_used", "user_feedback", "metadata"}}
        nulls = {**bare, "user_feedback": None, "metadata": None}
        both = [await client.post("/api/v1/finetuning/collect", json=body) for body in (bare, nulls)]
        kept = (await admin.get("/api/v1/snapshots")).json()["items"]

    assert answer.status_code == 201
    told = answer.json()
    assert told.pop("snapshot_id") == kept[-1]["snapshot_id"]
    assert told == {
        "status": "success",
        "message": "Performance snapshot collected",
        "agent_name": "Scanner V2",
        "category": "core_security",
    }
    assert [one.status_code for one in both] == [201, 201]
    assert kept[-1]["input_data"] == {"file_path": "app.py"}
    assert [one["tokens_used"] for one in kept] == [0, 0, 150]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"performance_score": 1.5}, "performance_score"),
        ({"execution_time_ms": 0}, "execution_time_ms"),
        ({"tokens_used": -1}, "tokens_used"),
        ({"user_feedback": -0.1}, "user_feedback"),
        ({"category": "core_insecurity"}, "category"),
        ({"performance_scroe": 1}, "performance_scroe"),
        ({"input_data": "app.py"}, "input_data"),
    ],
)
async def test_what_the_seed_refuses_is_refused_with_the_name_of_the_field(
    admin: httpx2.AsyncClient, changes: JsonObject, field: str
) -> None:
    answer = await admin.post("/api/v1/finetuning/collect", json={**SEED, **changes})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_dataset_is_prepared_of_a_category(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        await filled(client)
        body = {"category": "core_security", "min_samples": 100, "max_samples": 10000}
        seeds = await client.post("/api/v1/finetuning/datasets/core_security", json=body)
        bare = await client.post("/api/v1/finetuning/datasets/core_security")
        figures = (await client.get("/api/v1/finetuning/statistics")).json()

    assert seeds.status_code == 200, seeds.text
    told = seeds.json()
    assert told["train_samples"] + told["val_samples"] + told["test_samples"] == 150
    assert told["statistics"]["total_samples"] == 150
    assert told["content_hash"].startswith("sha256:")
    assert bare.json()["dataset_id"] == told["dataset_id"]  # the same content is the same dataset
    assert figures == {
        "total_snapshots": 150,
        "datasets_prepared": 1,
        "active_jobs": 0,
        "completed_jobs": 0,
        "failed_jobs": 0,
        "categories_with_data": ["core_security"],
        "total_cost_usd": 0.0,
    }


async def test_a_dataset_is_refused_with_too_few_snapshots_and_under_two_categories(
    open_rest: OpenRest,
) -> None:
    async with open_rest() as rest, rest.client() as client:
        await filled(client, 50)
        few = await client.post("/api/v1/finetuning/datasets/core_security", json={})
        two = await client.post("/api/v1/finetuning/datasets/core_security", json={"category": "ecommerce"})
        least = await client.post("/api/v1/finetuning/datasets/core_security", json={"min_samples": 9})

    assert (few.status_code, few.json()["code"]) == (400, "insufficient_data")
    assert "found 50, need 100" in few.json()["detail"]
    assert two.status_code == 400 and "'core_security'" in two.json()["detail"]
    assert least.status_code == 422


async def test_a_job_is_created_cancelled_and_listed_in_the_seeds_words(
    open_rest: OpenRest, openai: Json
) -> None:
    async with open_rest(**openai.settings) as rest, rest.client() as client:
        await filled(client)
        dataset = (await client.post("/api/v1/finetuning/datasets/core_security")).json()
        created = await client.post("/api/v1/finetuning/jobs", json=openai.config)
        job = created.json()
        again = await client.post("/api/v1/finetuning/jobs", json={"plan_id": job["plan_id"]})
        seen = (await client.get(f"/api/v1/finetuning/jobs/{job['job_id']}")).json()
        await client.post(f"/api/v1/jobs/{job['job_id']}/cancel")
        cancelled = (await client.get(f"/api/v1/finetuning/jobs/{job['job_id']}")).json()
        listed = (await client.get("/api/v1/finetuning/categories/core_security/jobs")).json()
        none = (await client.get("/api/v1/finetuning/categories/ecommerce/jobs")).json()

    assert created.status_code == 201, created.text
    assert (job["status"], job["state"], job["needs_approval"]) == ("pending", "awaiting_approval", True)
    assert 0 < job["upper_bound_usd"] < 1
    assert job["warnings"]
    assert (job["training_samples"], job["validation_samples"]) == (
        dataset["train_samples"],
        dataset["val_samples"],
    )
    assert again.json()["job_id"] == job["job_id"]
    assert seen == {key: value for key, value in job.items() if key in seen}
    assert (seen["current_epoch"], seen["training_loss"], seen["finetuned_model_id"]) == (0, None, None)
    assert (cancelled["status"], cancelled["state"]) == ("cancelled", "cancelled")
    assert cancelled["completed_at"] is not None
    assert listed == [cancelled]
    assert none == []


async def test_a_provider_that_is_not_set_up_is_a_conflict_and_its_key_stays_free(
    open_rest: OpenRest, openai: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    async with open_rest(**openai.settings) as rest, rest.client() as client:
        await filled(client)
        await client.post("/api/v1/finetuning/datasets/core_security")
        headers = {"Idempotency-Key": "a-job-of-mine"}
        twice = [
            await client.post("/api/v1/finetuning/jobs", json=openai.config, headers=headers)
            for _ in range(2)
        ]

    assert [(one.status_code, one.json()["code"]) for one in twice] == [(409, "provider_not_set_up")] * 2
    assert "OPENAI_API_KEY" in twice[0].json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"a": 1,, "b": 2}', 422, "It is not JSON"),
        (b'{"input_data": ' + 20_000 * b"[" + 20_000 * b"]" + b"}", 400, "nested too deeply"),
        (b'{"performance_score": ' + 5_000 * b"1" + b"}", 400, "too many digits"),
        (b'{"agent_id": "\xff"}', 400, "UTF-8"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    admin: httpx2.AsyncClient, body: bytes, status: int, says: str
) -> None:
    json_body = {"Content-Type": "application/json"}
    answer = await admin.post("/api/v1/finetuning/collect", content=body, headers=json_body)

    assert answer.status_code == status
    assert (answer.json()["code"], answer.json().get("errors", [{"field": "body"}])[0]["field"]) == (
        "invalid_request",
        "body",
    )
    assert says in answer.json()["detail"]


async def test_a_job_that_nobody_has_is_not_found(admin: httpx2.AsyncClient) -> None:
    answers = [
        await admin.get("/api/v1/finetuning/jobs/finetune_core_security_x"),
        await admin.post("/api/v1/finetuning/jobs", json={"plan_id": "plan_x"}),
    ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "not_found")] * 2


async def test_a_configuration_that_cannot_be_is_refused_field_by_field(admin: httpx2.AsyncClient) -> None:
    body = {"category": "core_security", "provider": "abacus", "n_epochs": 51, "learning_rate": 1}
    answer = await admin.post("/api/v1/finetuning/jobs", json=body)

    assert answer.status_code == 422
    fields = {error["field"].split(".")[-1] for error in answer.json()["errors"]}
    assert fields == {"provider", "n_epochs", "learning_rate"}


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/api/v1/finetuning/collect", Role.VIEWER),
        ("POST", "/api/v1/finetuning/datasets/core_security", Role.OPERATOR),
        ("POST", "/api/v1/finetuning/jobs", Role.OPERATOR),
        ("POST", "/api/v1/jobs/some/approve", Role.OPERATOR),
        ("POST", "/api/v1/snapshots/import", Role.VIEWER),
        ("PUT", "/api/v1/aliases/core_security/production", Role.OPERATOR),
        ("POST", "/api/v1/erasures", Role.OPERATOR),
    ],
)
async def test_who_may_not_do_it_is_refused_before_the_body_is_looked_at(
    rest: Rest, method: str, path: str, role: Role
) -> None:
    async with rest.client(role) as client:
        answer = await client.request(method, path, json={"nonsense": True})

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_client_that_waits_for_the_seeds_words_ends_when_the_job_does() -> None:
    over = {"completed", "failed", "cancelled"}

    assert SEED_STATUS.keys() == set(JobStatus)
    assert {status for status in JobStatus if SEED_STATUS[status] in over} == FINAL
    assert [status for status, word in SEED_STATUS.items() if word == "completed"] == [JobStatus.SUCCEEDED]
