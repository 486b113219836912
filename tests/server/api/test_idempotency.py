"""Requests with a key: sent again, at once, after a restart, by others, with another body."""

import json
from pathlib import Path
from typing import TypeAlias

import anyio
import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.roles import Role

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json

COLLECT = "/api/v1/finetuning/collect"
KEY = {"Idempotency-Key": "a-key-of-mine"}


def snapshot(**changes: Json) -> JsonObject:
    return {
        "agent_id": "scanner_v2",
        "agent_name": "Scanner V2",
        "category": "core_security",
        "task_type": "scan",
        "input_data": {"file_path": "app.py"},
        "output_data": {"vulnerabilities": []},
        "success": True,
        "performance_score": 0.95,
        "execution_time_ms": 120.5,
        **changes,
    }


async def kept(client: httpx2.AsyncClient) -> int:
    counts = (await client.get("/api/v1/snapshots/counts")).json()
    return sum(one["snapshots"] for one in counts)


async def test_a_request_that_is_sent_again_takes_effect_once(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        first = await client.post(COLLECT, json=snapshot(), headers=KEY)
        again = await client.post(COLLECT, json=snapshot(), headers=KEY)
        without = await client.post(COLLECT, json=snapshot())
        assert await kept(client) == 2

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert without.json()["snapshot_id"] != first.json()["snapshot_id"]


async def test_it_does_so_after_a_restart_too(open_rest: OpenRest, openai: Json) -> None:
    async with open_rest(**openai.settings) as rest:
        token = {"Authorization": f"Bearer {await rest.token()}", **KEY}
        async with httpx2.AsyncClient(base_url=rest.url, headers=token, timeout=60) as client:
            first = await client.post(COLLECT, json=snapshot())
    async with (
        open_rest(**openai.settings) as rest,
        httpx2.AsyncClient(base_url=rest.url, headers=token, timeout=60) as client,
    ):
        again = await client.post(COLLECT, json=snapshot())
        assert await kept(client) == 1

    assert again.content == first.content


async def test_many_at_once_are_one(open_rest: OpenRest) -> None:
    answers: list[bytes] = []
    async with open_rest() as rest, rest.client() as client:

        async def send() -> None:
            answer = await client.post(COLLECT, json=snapshot(), headers=KEY)
            assert answer.status_code == 201
            answers.append(answer.content)

        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(send)
        assert await kept(client) == 1

    assert len(set(answers)) == 1


async def test_a_key_is_for_one_request_of_one_caller(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as mine, rest.client() as theirs:
        await mine.post(COLLECT, json=snapshot(), headers=KEY)
        other_body = await mine.post(COLLECT, json=snapshot(success=False), headers=KEY)
        body = {"snapshots": [snapshot()]}
        other_address = await mine.post("/api/v1/snapshots", json=body, headers=KEY)
        other_caller = await theirs.post(COLLECT, json=snapshot(success=False), headers=KEY)
        assert await kept(mine) == 2

    for refused in (other_body, other_address):
        assert (refused.status_code, refused.json()["code"]) == (422, "reused_key")
    assert other_caller.status_code == 201


async def test_what_was_refused_may_be_mended_and_sent_with_its_key(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        deep: Json = {}
        for _ in range(95):
            deep = {"deeper": deep}
        invalid = await client.post(COLLECT, json=snapshot(success="perhaps"), headers=KEY)
        refused = await client.post(COLLECT, json=snapshot(input_data=deep), headers=KEY)
        mended = await client.post(COLLECT, json=snapshot(), headers=KEY)

    assert [invalid.status_code, refused.status_code, mended.status_code] == [422, 400, 201]


@pytest.mark.parametrize("key", [b"", b"x" * 201, b"with space", "täst".encode()])
async def test_a_key_is_a_word(admin: httpx2.AsyncClient, key: bytes) -> None:
    answer = await admin.post(COLLECT, json=snapshot(), headers={b"Idempotency-Key": key})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_who_may_no_longer_do_it_is_not_answered_again(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client(Role.VIEWER) as client:
        answer = await client.post(COLLECT, json=snapshot(), headers=KEY)
        refused_again = await client.post(COLLECT, json=snapshot(), headers=KEY)

    assert [answer.status_code, refused_again.status_code] == [403, 403]


async def test_a_job_is_created_once(open_rest: OpenRest, openai: Json) -> None:
    async with open_rest(**openai.settings) as rest, rest.client() as client:
        words = [f"{first}{second}{third}" for first in "abcde" for second in "fghij" for third in "klmnop"]
        body = {"snapshots": [snapshot(input_data={"query": f"{word * 8}"}) for word in words]}
        await client.post("/api/v1/snapshots", json=body)
        made = await client.post("/api/v1/finetuning/datasets/core_security")
        assert made.status_code == 200, made.text
        jobs = [await client.post("/api/v1/finetuning/jobs", json=openai.config, headers=KEY) for _ in "ab"]
        listed = (await client.get("/api/v1/jobs")).json()["items"]

    assert jobs[0].status_code == 201, jobs[0].text
    assert jobs[1].content == jobs[0].content
    assert [one["job_id"] for one in listed] == [jobs[0].json()["job_id"]]


async def test_keys_are_kept_for_this_user_alone(open_rest: OpenRest, tmp_path: Path) -> None:
    async with open_rest() as rest, rest.client() as client:
        assert not (tmp_path / "data" / "requests.db").exists()  # nobody pays for it who sends no key
        await client.post(COLLECT, json=snapshot(), headers=KEY)

    assert (tmp_path / "data" / "requests.db").stat().st_mode & 0o077 == 0


async def test_calls_with_a_key_are_made_once(open_rest: OpenRest) -> None:
    add: JsonObject = {"tool": "add", "arguments": {"a": 1, "b": 2}}
    seed: JsonObject = {"function": "add", "arguments": {"a": 1, "b": 2}}
    asked = [
        ("/api/v1/tools/call", {"calls": [add]}),
        ("/api/v1/tools/call-read", {"calls": [add]}),
        ("/api/v1/finetuning/tools/execute-parallel", {"function_calls": [seed]}),
    ]
    async with open_rest() as rest, rest.client() as client:
        for number, (path, body) in enumerate(asked):
            key = {"Idempotency-Key": f"call-{number}"}
            first = await client.post(path, json=body, headers=key)
            again = await client.post(path, json=body, headers=key)
            other = await client.post(path, json={**body, "user_id": "u"}, headers=key)
            assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
            assert again.content == first.content
            assert again.headers["idempotent-replayed"] == "true"
            rows = (await client.get("/api/v1/audit", params={"kinds": "call"})).json()["items"]
            assert len(rows) == number + 1


async def test_what_cannot_be_answered_again_refuses_a_key(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        issued = await client.post("/api/v1/tokens", json={"role": "viewer"}, headers=KEY)
        line = json.dumps(snapshot()).encode() + b"\n"
        imported = await client.post("/api/v1/snapshots/import", content=line, headers=KEY)
        tokens = (await client.get("/api/v1/tokens")).json()["tokens"]
        assert await kept(client) == 0

    assert (issued.status_code, imported.status_code) == (400, 400)
    assert "takes no Idempotency-Key" in issued.json()["detail"]
    assert len(tokens) == 1


SAME_WHEN_SENT_TWICE = {
    *("select_tools", "find_tools", "describe_tools", "validate_output", "estimate_comparison"),
    *("approve_definition", "reject_definition"),
    *("approve_job", "cancel_job", "retry_job"),
    *("erase_audit", "prune_audit", "prune_snapshots", "erase"),
    *("set_budget", "set_alias", "promote_selector"),
    *("refresh_servers", "restart_server", "check_data", "export_data"),
    *("revoke_token", "end_logins"),
}
"""Operations that only ask, or do not do more when asked again."""

REFUSES = {"issue_token", "import_snapshots"}


async def test_everything_that_changes_something_takes_a_key_or_needs_none(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    changing = {
        operation["operationId"]: [one["name"] for one in operation.get("parameters", ())]
        for methods in paths.values()
        for method, operation in methods.items()
        if method != "get"
    }
    takes = {name for name, parameters in changing.items() if "Idempotency-Key" in parameters}

    assert takes.isdisjoint(SAME_WHEN_SENT_TWICE | REFUSES)
    assert takes | SAME_WHEN_SENT_TWICE | REFUSES == set(changing)
