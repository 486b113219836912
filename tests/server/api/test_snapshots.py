"""Snapshots over REST: handed in together, imported as a stream, listed a page at a time, erased."""

import json
from collections.abc import AsyncGenerator
from typing import TypeAlias

import anyio
import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.roles import Role

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json


def snapshot(number: int, **changes: Json) -> JsonObject:
    return {
        "agent_id": "scanner_v2",
        "agent_name": "Scanner V2",
        "category": "core_security",
        "task_type": "scan",
        "input_data": {"number": number},
        "output_data": {"done": True},
        "success": True,
        "performance_score": 0.95,
        "execution_time_ms": 120.5,
        **changes,
    }


def line(number: int, **changes: Json) -> bytes:
    return json.dumps(snapshot(number, **changes)).encode() + b"\n"


async def numbers(client: httpx2.AsyncClient, **asked: Json) -> tuple[list[int], int]:
    """The numbers of all snapshots that match, page by page; and how many pages there were."""
    found: list[int] = []
    pages = 0
    cursor: str | None = None
    while True:
        asked |= {"cursor": cursor} if cursor else {}
        answer = await client.get("/api/v1/snapshots", params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["input_data"]["number"] for one in page["items"]]
        pages += 1
        if (cursor := page["next_cursor"]) is None:
            return found, pages


async def test_snapshots_are_listed_a_page_at_a_time_by_what_is_asked(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        body = {"snapshots": [snapshot(number, success=number % 2 == 0) for number in range(25)]}
        added = await client.post("/api/v1/snapshots", json=body)
        assert len(set(added.json()["snapshot_ids"])) == 25

        assert await numbers(client, limit=10) == ([*range(24, -1, -1)], 3)
        assert await numbers(client, limit=10, oldest_first=True) == ([*range(25)], 3)
        assert await numbers(client, limit=25) == ([*range(24, -1, -1)], 1)
        failed, pages = await numbers(client, limit=5, success=False)
        assert (failed, pages) == ([*range(23, 0, -2)], 3)
        assert await numbers(client, agent_id="' OR 1=1 --") == ([], 1)
        assert await numbers(client, until="2020-01-01") == ([], 1)
        first = (await client.get("/api/v1/snapshots", params={"limit": 5})).json()["next_cursor"]
        await client.post("/api/v1/snapshots", json={"snapshots": [snapshot(99)]})
        assert (await numbers(client, cursor=first))[0] == [*range(19, -1, -1)]  # nothing is there twice
        counts = (await client.get("/api/v1/snapshots/counts")).json()
        assert [(one["category"], one["snapshots"], one["successes"]) for one in counts] == [
            ("core_security", 26, 14)
        ]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"cursor": "nonsense"}, 400),
        ({"cursor": "eyJhIjoxfQ"}, 400),
        ({"cursor": "WzEsMl0"}, 400),
        ({"since": "yesterday"}, 400),
        ({"limit": 0}, 422),
        ({"limit": 201}, 422),
        ({"category": "nothing"}, 422),
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    admin: httpx2.AsyncClient, asked: JsonObject, status: int
) -> None:
    answer = await admin.get("/api/v1/snapshots", params=asked)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_page_of_large_snapshots_ends_early_and_the_next_goes_on(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        words = " ".join(f"word{number}" for number in range(90_000))
        for number in range(6):
            large = snapshot(number, output_data={"text": words})
            assert (await client.post("/api/v1/finetuning/collect", json=large)).status_code == 201
        found, pages = await numbers(client, limit=200)

    assert found == [*range(5, -1, -1)]
    assert pages > 1


async def test_half_a_surrogate_pair_is_kept_and_sent_back(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        body = json.dumps(snapshot(1, input_data={"number": 1, "text": "\ud83d"}))
        headers = {"Content-Type": "application/json"}
        kept = await client.post("/api/v1/finetuning/collect", content=body, headers=headers)
        listed = await client.get("/api/v1/snapshots")

    assert kept.status_code == 201, kept.text
    assert listed.json()["items"][0]["input_data"]["text"] == "\ud83d"


async def test_one_bad_snapshot_keeps_all_of_them_out(open_rest: OpenRest) -> None:
    deep: Json = {}
    for _ in range(95):
        deep = {"deeper": deep}
    async with open_rest() as rest, rest.client(Role.AGENT) as client, rest.client() as admin:
        bad = [snapshot(1), snapshot(2, performance_score=7), snapshot(3)]
        refused = await client.post("/api/v1/snapshots", json={"snapshots": bad})
        nested = [snapshot(1), snapshot(2, input_data=deep)]
        too_deep = await client.post("/api/v1/snapshots", json={"snapshots": nested})
        kept = (await admin.get("/api/v1/snapshots")).json()["items"]

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "snapshots.1.performance_score"
    assert too_deep.status_code == 400 and "number 2" in too_deep.json()["detail"]
    assert kept == []


async def test_an_upload_is_kept_while_the_rest_is_still_on_its_way(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client, rest.client() as onlooker:
        kept_before_the_end: list[int] = []

        async def lines() -> AsyncGenerator[bytes]:
            for number in range(500):  # a batch of the importer
                yield line(number)
            with anyio.fail_after(30):
                while True:  # the rest is sent when somebody has seen these
                    counts = (await onlooker.get("/api/v1/snapshots/counts")).json()
                    if counts:
                        break
                    yield b"\n"
            kept_before_the_end.append(counts[0]["snapshots"])
            yield b'{"agent_id": "scanner_v2"}\nnonsense\n' + line(500)[:-1]

        answer = await client.post("/api/v1/snapshots/import", content=lines())

    assert kept_before_the_end == [500]
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["kept"], report["refused"]) == (501, 2)
    assert [one["line"] for one in report["problems"]] == [report["lines"] - 2, report["lines"] - 1]
    assert "'success'" in report["problems"][0]["why"] and "not JSON" in report["problems"][1]["why"]


async def test_an_upload_that_breaks_off_keeps_what_came_and_is_no_fault_of_ours(
    open_rest: OpenRest, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_rest() as rest, rest.client() as client, rest.client() as onlooker:

        async def lines() -> AsyncGenerator[bytes]:
            for number in range(500):
                yield line(number)
            with anyio.fail_after(30):
                while not (await onlooker.get("/api/v1/snapshots/counts")).json():
                    yield b"\n"
            raise ConnectionAbortedError

        with pytest.raises(ConnectionAbortedError):
            await client.post("/api/v1/snapshots/import", content=lines())
        counts = (await onlooker.get("/api/v1/snapshots/counts")).json()

    assert counts[0]["snapshots"] == 500
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_empty_upload_has_no_lines(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/api/v1/snapshots/import", content=b"")

    assert answer.json() == {"lines": 0, "kept": 0, "refused": 0, "problems": []}


async def test_a_user_is_erased_and_nobody_else(open_rest: OpenRest) -> None:
    async with open_rest() as rest, rest.client() as client:
        body = {"snapshots": [snapshot(number, user_id=f"user-{number % 2}") for number in range(4)]}
        await client.post("/api/v1/snapshots", json=body)
        both = await client.post("/api/v1/erasures", json={"agent_id": "a", "user_id": "b"})
        neither = await client.post("/api/v1/erasures", json={})
        erased = (await client.post("/api/v1/erasures", json={"user_id": "user-1"})).json()
        left, _ = await numbers(client)
        pruned = (await client.post("/api/v1/snapshots/prune")).json()

    assert [both.status_code, neither.status_code] == [422, 422]
    assert (erased["snapshots"], erased["datasets"]) == (2, {})
    assert left == [2, 0]
    assert pruned == {"deleted": {}}
