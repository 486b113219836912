"""Datasets over REST: made, read with ETags, paged, checked, exported."""

import io
import json
import random
import zipfile
from typing import TypeAlias

import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.roles import Role
from toolhone.server.api.dataset_export import CHUNK, zipped
from toolhone.server.api.paging import cursor_of

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json

WORDS = [f"{first}{second}{third}" for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]


def snapshot(number: int) -> JsonObject:
    word = WORDS[number] * 8
    return {
        "agent_id": f"agent-{number % 2}",
        "agent_name": "Scanner V2",
        "category": "core_security",
        "task_type": "scan",
        "input_data": {"query": f"look at {word} for holes"},
        "output_data": {"content": f"{word} is clean"},
        "success": True,
        "performance_score": 0.95,
        "execution_time_ms": 120.5,
    }


async def prepared(client: httpx2.AsyncClient) -> JsonObject:
    body = {"snapshots": [snapshot(number) for number in range(60)]}
    assert (await client.post("/api/v1/snapshots", json=body)).status_code == 201
    made = await client.post("/api/v1/datasets", json={"category": "core_security", "min_samples": 20})
    assert made.status_code == 201, made.text
    return made.json()


async def test_a_dataset_is_read_in_all_its_forms(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        made = await prepared(client)
        address = f"/api/v1/datasets/{made['dataset_id']}"
        read = await client.get(address)
        listed = (await client.get("/api/v1/datasets")).json()
        card = await client.get(f"{address}/card")
        rows: list[JsonObject] = []
        cursor: JsonObject = {}
        while True:
            page = (await client.get(f"{address}/rows", params={"limit": 7, **cursor})).json()
            rows += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        other = await client.get(f"{address}/rows", params={"split": "test", "cursor": "WyJ0cmFpbiIsN10"})
        problems = (await client.get(f"{address}/check", params={"format": "openai-chat"})).json()
        strange = await client.get(f"{address}/check", params={"format": "papyrus"})
        exported = await client.get(f"{address}/export", params={"format": "openai-chat"})
        again = await client.get(f"{address}/export", params={"format": "openai-chat"})

    assert read.json() == made
    assert listed == {"items": [made], "next_cursor": None}
    assert card.headers["content-type"].startswith("text/markdown")
    assert made["dataset_id"] in card.text
    assert len(rows) == len({row["row_id"] for row in rows}) == made["counts"]["train"]
    assert other.status_code == 400 and "'train'" in other.json()["detail"]
    assert all(not problem["fatal"] for problem in problems)
    assert strange.status_code == 400 and "openai-chat" in strange.json()["detail"]
    assert exported.headers["content-type"] == "application/zip"
    assert exported.content == again.content
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert archive.testzip() is None
        lines = archive.read("train.jsonl").splitlines()
        assert json.loads(archive.read("export.json"))["dataset_id"] == made["dataset_id"]
    assert len(lines) == made["counts"]["train"]
    assert json.loads(lines[0])["messages"][-1]["role"] == "assistant"


@pytest.mark.parametrize("form", ["", "/card", "/export?format=openai-chat"])
async def test_who_has_it_is_not_sent_it_again_until_it_changes(open_rest: OpenRest, form: str) -> None:
    async with open_rest() as rest, rest.client() as client:
        address = f"/api/v1/datasets/{(await prepared(client))['dataset_id']}{form}"
        first = await client.get(address)
        have = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
        same = await client.get(address, headers=have)
        unlike = await client.get(address, headers={"If-None-Match": '"other"'})
        await client.post("/api/v1/erasures", json={"agent_id": "agent-1"})
        revoked = await client.get(address, headers=have)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert unlike.status_code == 200 and unlike.content == first.content
    assert revoked.status_code == (200 if form == "" else 409)


async def test_a_revoked_dataset_says_what_took_its_place(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        made = await prepared(client)
        erased = (await client.post("/api/v1/erasures", json={"agent_id": "agent-1"})).json()
        rows = await client.get(f"/api/v1/datasets/{made['dataset_id']}/rows")
        living = (await client.get("/api/v1/datasets", params={"revoked": False})).json()["items"]
        pages = [
            (await client.get("/api/v1/datasets", params={"limit": 1, **cursor})).json()
            for cursor in ({}, {"cursor": cursor_of(erased["datasets"][made["dataset_id"]])})
        ]

    successor = erased["datasets"][made["dataset_id"]]
    assert (rows.status_code, rows.json()["code"]) == (409, "conflict")
    assert successor in rows.json()["detail"]
    assert [one["dataset_id"] for one in living] == [successor]
    assert [page["items"][0]["dataset_id"] for page in pages] == [successor, made["dataset_id"]]
    assert pages[1]["next_cursor"] is None


@pytest.mark.parametrize(
    "form", ["", "/card", "/rows", "/check?format=openai-chat", "/export?format=parquet"]
)
async def test_a_dataset_that_is_not_there_is_not_found(admin: httpx2.AsyncClient, form: str) -> None:
    answer = await admin.get(f"/api/v1/datasets/core_security_x{form}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AGENT])
async def test_who_only_monitors_sees_what_there_is_and_nothing_of_what_it_holds(
    open_rest: OpenRest, role: Role
) -> None:
    async with open_rest() as rest, rest.client() as admin, rest.client(role) as client:
        made = await prepared(admin)
        address = f"/api/v1/datasets/{made['dataset_id']}"
        whole = ("/api/v1/snapshots", f"{address}/rows")
        told = ("/api/v1/snapshots/counts", address, f"{address}/card", "/api/v1/comparisons")
        held = [await admin.get(path) for path in whole]
        refused = [await client.get(path) for path in whole]
        shown = [await client.get(path) for path in told]
        comparison = await client.get("/api/v1/comparisons/compare_20261123_110000_0a1b2c3d")

    assert all("for holes" in one.text for one in held), "they do hold what was asked"
    assert [one.status_code for one in (*refused, comparison)] == [403, 403, 403]
    assert [one.status_code for one in shown] == [200] * 4
    assert "for holes" not in "".join(one.text for one in (*refused, *shown))


async def test_only_an_admin_takes_data_out(rest: Rest) -> None:
    async with rest.client(Role.OPERATOR) as client:
        answer = await client.get("/api/v1/datasets/core_security_x/export?format=openai-chat")

    assert answer.status_code == 403


def test_an_archive_is_packed_in_parts_that_are_no_larger_than_what_is_read(tmp_path: Json) -> None:
    file = tmp_path / "train.jsonl"
    file.write_bytes(random.Random(7).randbytes(3 * CHUNK + 5))  # nothing that can be made smaller
    parts = list(zipped([file]))

    assert max(map(len, parts)) < CHUNK + 1_000
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.read("train.jsonl") == file.read_bytes()
