"""The audit over REST: pages in both directions, export, verification, erasure."""

import json
from typing import TypeAlias

import httpx2
import pytest

from toolhone.models import Json, JsonObject

Rest: TypeAlias = Json

AUDIT = "/api/v1/audit"


async def add(client: httpx2.AsyncClient, a: int) -> None:
    calls: JsonObject = {"calls": [{"tool": "add", "arguments": {"a": a, "b": 0}}]}
    assert (await client.post("/api/v1/tools/call", json=calls)).status_code == 200


def sums(page: JsonObject) -> list[int]:
    return [row["result"]["sum"] for row in page["items"]]


async def test_pages_follow_each_other_in_both_directions_whatever_is_added(rest: Rest) -> None:
    async with rest.client() as client:
        for number in range(5):
            await add(client, number)
        me = (await client.get("/api/v1/me")).json()["principal"]

        async def page(**more: Json) -> JsonObject:
            params = {"kinds": "call", "principal": me, "limit": 2, **more}
            return (await client.get(AUDIT, params=params)).json()

        first = await page()
        await add(client, 5)
        second = await page(cursor=first["next_cursor"])
        third = await page(cursor=second["next_cursor"])
        back = await page(cursor=third["previous_cursor"])
        newer = await page(cursor=first["previous_cursor"])
        nothing_yet = await page(cursor=newer["previous_cursor"])

    assert (sums(first), sums(second), sums(third)) == ([4, 3], [2, 1], [0])
    assert third["next_cursor"] is None
    assert sums(back) == [2, 1]
    assert sums(newer) == [5]
    assert (nothing_yet["items"], nothing_yet["previous_cursor"]) == ([], newer["previous_cursor"])


@pytest.mark.parametrize(
    "params",
    [
        {"kinds": "nothing"},
        {"since": "yesterday"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"cursor": "x"},
        {"cursor": "WyJzaWRld2F5cyIsMV0"},
        {"limit": 0},
    ],
)
async def test_a_filter_that_means_nothing_is_refused(admin: httpx2.AsyncClient, params: JsonObject) -> None:
    for address in (
        (AUDIT, f"{AUDIT}/export") if "limit" not in params and "cursor" not in params else (AUDIT,)
    ):
        assert (await admin.get(address, params=params)).status_code in {400, 422}


async def test_the_export_has_every_row_in_order_as_it_is_shown(rest: Rest) -> None:
    async with rest.client() as client:
        for number in range(3):
            await add(client, number)
        exported = await client.get(f"{AUDIT}/export")
        rows = [json.loads(line) for line in exported.text.splitlines()]
        shown = (await client.get(AUDIT, params={"limit": 1})).json()["items"][0]

    assert exported.headers["content-type"] == "application/x-ndjson"
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1] == shown


async def test_an_erased_row_says_nothing_any_more_and_the_chain_is_whole(rest: Rest) -> None:
    async with rest.client() as client:
        await add(client, 7)
        row = (await client.get(AUDIT, params={"kinds": "call", "limit": 1})).json()["items"][0]
        head = (await client.get(f"{AUDIT}/verify")).json()["head"]
        erased = await client.post(f"{AUDIT}/erase", json={"audit_ids": [row["audit_id"], "nobody"]})
        after = (await client.get(AUDIT, params={"call_id": row["call_id"]})).json()["items"][0]
        verified = (await client.get(f"{AUDIT}/verify", params={"remembered": head})).json()
        strange = (await client.get(f"{AUDIT}/verify", params={"remembered": "sha256:0"})).json()

    assert erased.json() == {"erased": 1}
    assert (after["erased"], after["parameters"], after["result"]) == (True, None, None)
    assert (verified["whole"], verified["problems"]) == (True, [])
    assert strange["whole"] is False


async def test_what_is_written_into_a_task_is_text_wherever_it_is_shown(admin: httpx2.AsyncClient) -> None:
    task = "'; DROP TABLE audit; -- {{7*7}} <script>alert(1)</script>"
    await admin.post("/api/v1/tools/find", json={"task": task})
    row = (await admin.get(AUDIT, params={"kinds": "selection", "limit": 1})).json()["items"][0]
    of_tool = await admin.get(AUDIT, params={"tool": task})

    assert row["details"]["task"] == task
    assert of_tool.json()["items"] == []
