"""Definitions that are held back, over REST."""

from typing import TypeAlias

from toolhone.models import Json
from toolhone.roles import Role

OpenRest: TypeAlias = Json


async def test_an_admin_sees_what_is_new_and_lets_it_be_used(open_rest: OpenRest, plain_server: Json) -> None:
    async with open_rest({"plain": plain_server}, approve="all") as rest, rest.client() as client:
        await client.post("/api/v1/servers/refresh")
        waiting = (await client.get("/api/v1/approvals")).json()["approvals"]
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
