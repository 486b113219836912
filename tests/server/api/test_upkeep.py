"""Servers, registry, selector, tokens, settings and oneself over REST."""

import json
from typing import TypeAlias

import httpx2
import pytest

from toolhone.models import Json, JsonObject
from toolhone.roles import PERMISSIONS, Permission, Role
from toolhone.settings import Settings

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json


async def test_servers_are_shown_restarted_and_recorded_with_who_did_it(
    open_rest: OpenRest, plain_server: JsonObject
) -> None:
    server = {**plain_server, "env": {"SECRET_TOKEN": "hunter2hunter2"}}
    async with open_rest({"plain": server}) as rest, rest.client(Role.OPERATOR) as client:
        me = (await client.get("/api/v1/me")).json()["principal"]
        refreshed = (await client.post("/api/v1/servers/refresh")).json()["servers"]
        restarted = (await client.post("/api/v1/servers/plain/restart")).json()
        listed = await client.get("/api/v1/servers")
        rows = (await client.get("/api/v1/audit", params={"principal": me})).json()["items"]

    assert [(one["name"], one["state"]) for one in refreshed] == [("plain", "ready")]
    assert restarted["pid"] != refreshed[0]["pid"]
    assert listed.json()["servers"][0]["tools"] > 0
    assert "hunter2" not in listed.text
    assert [row["details"]["what"] for row in rows] == ["restart asked", "refresh asked"]


@pytest.mark.parametrize("name", ["nobody", "..%2f..", "%27%20OR%201=1"])
async def test_a_server_that_is_not_configured_is_not_found(admin: httpx2.AsyncClient, name: str) -> None:
    assert (await admin.post(f"/api/v1/servers/{name}/restart")).status_code == 404


async def test_a_server_that_does_not_start_is_an_error_with_its_reason(open_rest: OpenRest) -> None:
    async with open_rest({"broken": {"command": "/no/such/program"}}) as rest, rest.client() as client:
        response = await client.post("/api/v1/servers/broken/restart")

    assert response.status_code == 503
    assert "/no/such/program" in response.json()["detail"]


async def test_what_nobody_has_set_is_shown_as_its_default(admin: httpx2.AsyncClient) -> None:
    settings = (await admin.get("/api/v1/settings")).json()["settings"]

    for name in ("hosts", "trusted_proxies", "pins", "call_timeout", "role", "oauth_issuer"):
        assert settings[name]["value"] == settings[name]["default"], name
    assert settings["hosts"]["default"] == []


async def test_the_registry_shows_its_files_and_what_is_wrong_with_them(
    open_rest: OpenRest, tmp_path: Json
) -> None:
    (tmp_path / "registry" / "broken.json").write_text("{")
    async with open_rest() as rest, rest.client() as client:
        registry = (await client.get("/api/v1/registry")).json()

    assert registry["files"] == ["add.json", "broken.json", "get_weather.json", "list_rows.json"]
    assert registry["tools"] == ["add", "get_weather", "list_rows"]
    assert [problem["file"] for problem in registry["problems"]] == ["broken.json"]


async def test_the_selector_says_what_it_ranks_with_and_refuses_what_is_not_there(
    admin: httpx2.AsyncClient,
) -> None:
    status = (await admin.get("/api/v1/selector")).json()
    unknown = await admin.post("/api/v1/selector/promote", json={"version": "nobody"})
    nothing = await admin.post("/api/v1/selector/rollback")

    assert (status["active"], status["versions"]) == (None, [])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert 400 <= nothing.status_code < 500


async def test_a_token_is_shown_once_opens_what_it_is_for_and_nothing_when_it_is_revoked(rest: Rest) -> None:
    async with rest.client() as client:
        body = {"role": "agent", "name": "builds", "scopes": ["find_tools"], "expires_in_days": 1}
        issued = await client.post("/api/v1/tokens", json=body)
        token = issued.json()
        headers = {"Authorization": f"Bearer {token['token']}"}
        me = (await client.get("/api/v1/me", headers=headers)).json()
        listed = await client.get("/api/v1/tokens")
        revoked = await client.delete(f"/api/v1/tokens/{token['token_id']}")
        after = await client.get("/api/v1/me", headers=headers)

    assert issued.status_code == 201
    assert me == {
        "principal": f"token:{token['token_id']}",
        "role": "agent",
        "permissions": ["find_tools"],
        "tools": None,
    }
    assert token["token"] not in listed.text
    assert token["token_id"] in {one["token_id"] for one in listed.json()["tokens"]}
    assert revoked.json()["revoked_at"] is not None
    assert after.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"role": "king"},
        {"role": "viewer", "scopes": ["administer"]},
        {"role": "viewer", "expires_in_days": 0},
        {"role": "viewer", "expires_in_days": 1e-12},
        {"role": "viewer", "requests_per_minute": 0},
        {"role": "viewer", "tools": []},
        {"role": "viewer", "name": "x\n"},
        {"role": "viewer", "token": "thk_mine"},
    ],
)
async def test_a_token_that_would_be_of_no_use_is_not_issued(
    admin: httpx2.AsyncClient, body: JsonObject
) -> None:
    before = len((await admin.get("/api/v1/tokens")).json()["tokens"])
    response = await admin.post("/api/v1/tokens", json=body)

    assert response.status_code in {400, 422}
    assert len((await admin.get("/api/v1/tokens")).json()["tokens"]) == before


async def test_a_narrowed_admin_issues_nothing_wider_and_that_is_on_record(rest: Rest) -> None:
    scopes = [Permission.ADMINISTER, Permission.FIND_TOOLS]
    async with rest.client(scopes=scopes) as narrow, rest.client() as admin:
        wider = await narrow.post("/api/v1/tokens", json={"role": "admin"})
        as_narrow = await narrow.post("/api/v1/tokens", json={"role": "viewer", "scopes": ["find_tools"]})
        me = (await narrow.get("/api/v1/me")).json()["principal"]
        asked = {"principal": me, "kinds": "refusal"}
        rows = (await admin.get("/api/v1/audit", params=asked)).json()["items"]

    assert (wider.status_code, wider.json()["code"]) == (403, "permission_denied")
    assert as_narrow.status_code == 201
    assert [row["details"]["permission"] for row in rows] == ["approve"]


async def test_all_logins_are_ended(rest: Rest) -> None:
    async with rest.client() as admin, httpx2.AsyncClient(base_url=rest.url, timeout=60) as browser:
        form = {"token": await rest.token(Role.VIEWER)}
        assert (await browser.post("/login", data=form, headers={"Origin": rest.url})).status_code == 303
        assert (await browser.get("/api/v1/me")).status_code == 200
        ended = await admin.delete("/api/v1/logins")
        again = await admin.delete("/api/v1/logins")

        assert (ended.json(), again.json()) == ({"ended": 1}, {"ended": 0})
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_everybody_learns_what_their_own_credential_allows(rest: Rest) -> None:
    for role in Role:
        async with rest.client(role) as client:
            me = (await client.get("/api/v1/me")).json()

        assert me["role"] == role
        assert {Permission(name) for name in me["permissions"]} == PERMISSIONS[role]


async def test_every_setting_is_shown_as_it_is_in_force_and_no_secret(open_rest: OpenRest) -> None:
    url = "https://user:hunter2hunter2@models.example/v1"
    async with open_rest(max_calls=7, judge_url=url) as rest, rest.client(Role.OPERATOR) as client:
        answer = await client.get("/api/v1/settings")

    settings = answer.json()["settings"]
    assert set(settings) == set(Settings.model_fields)
    assert settings["max_calls"] == {"value": 7, "default": 64}
    assert "hunter2" not in json.dumps(settings)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_login_that_failed_is_on_record_as_it_was_asked_for(open_rest: Json, method: str) -> None:
    async with open_rest() as rest, rest.client() as admin:
        async with httpx2.AsyncClient(base_url=rest.url, timeout=60) as browser:
            if method == "GET":
                answer = await browser.get("/login", params={"code": "made-up"})
            else:
                origin = {"Origin": rest.url}
                answer = await browser.post("/login", data={"token": "made-up"}, headers=origin)
        rows = (await admin.get("/api/v1/audit", params={"kinds": "access"})).json()["items"]

    assert answer.status_code == 401
    (row,) = [row for row in rows if row["details"]["what"] == "refused"]
    assert row["details"] == {"what": "refused", "method": method, "path": "/login"}
    assert row["request_id"] == answer.headers["x-request-id"]
