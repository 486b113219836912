"""Definitions that are held back, over REST."""

from typing import TypeAlias

from toolhone.models import Json
from toolhone.roles import Role

OpenRest: TypeAlias = Json


async def test_an_admin_sees_what_is_new_and_lets_it_be_used(open_rest: OpenRest, plain_server: Json) -> None:
    async with open_rest({"plain": plain_server}, approve="all") as rest, rest.client() as client:
        await client.post("/api/v1/servers/refresh")
        waiting = (await client.get("/api/v1/approvals")).json()["items"]
        compared = (await client.get("/api/v1/approvals/plain__echo")).json()
        before = await client.get("/api/v1/tools/plain__echo")
        stale = await client.post("/api/v1/approvals/plain__echo/approve", json={"hash": "sha256:0"})
        done = await client.post("/api/v1/approvals/plain__echo/approve", json={"hash": compared["hash"]})
        rejected = await client.post("/api/v1/approvals/plain__pid/reject", json={"hash": compared["hash"]})
        missing = await client.get("/api/v1/approvals/plain__echo")
        async with rest.client(Role.OPERATOR) as operator:
            looked = await operator.get("/api/v1/approvals")
            refused = await operator.post(
                "/api/v1/approvals/plain__pid/approve", json={"hash": compared["hash"]}
            )

    assert "plain__echo" in [one["tool"] for one in waiting]
    assert compared["why"] == "new"
    assert {"field": "/name", "change": "added"}.items() <= compared["changes"][0].items()
    assert before.status_code == 404 and "held back" in before.json()["detail"]
    assert stale.status_code == 409
    assert (done.status_code, done.json()["status"]) == (200, "approved")
    assert rejected.status_code == 409
    assert missing.status_code == 404
    assert (looked.status_code, refused.status_code) == (200, 403)


async def test_what_waits_is_listed_a_page_at_a_time(open_rest: OpenRest, plain_server: Json) -> None:
    async with open_rest({"plain": plain_server}, approve="all") as rest, rest.client() as client:
        await client.post("/api/v1/servers/refresh")
        everything = (await client.get("/api/v1/approvals")).json()
        pages: list[list[str]] = []
        cursor: str | None = None
        while cursor is not None or not pages:
            asked = {"limit": 3, **({} if cursor is None else {"cursor": cursor})}
            page = (await client.get("/api/v1/approvals", params=asked)).json()
            pages.append([one["tool"] for one in page["items"]])
            cursor = page["next_cursor"]
        strange = await client.get("/api/v1/approvals", params={"cursor": "WyJhIl0"})

    assert everything["next_cursor"] is None
    assert [tool for page in pages for tool in page] == [one["tool"] for one in everything["items"]]
    assert {len(page) for page in pages[:-1]} == {3} and len(pages) > 1
    assert strange.status_code == 400
