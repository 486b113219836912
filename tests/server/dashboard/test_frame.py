"""The frame of the pages: who sees which, what they may load and run, and how errors look."""

from typing import TypeAlias

import pytest

from toolhone.models import EventKind, Json
from toolhone.roles import Role
from toolhone.stores import AuditQuery

Site: TypeAlias = Json
Visitor: TypeAlias = Json
OpenSite: TypeAlias = Json

PAGES = ("/", "/servers", "/tools", "/tools/search?task=add+numbers", "/tools/add", "/audit")


def labels(page: Json) -> list[str]:
    """Where the navigation leads."""
    return [link for link in page.links() if link.count("/") == 1 and "#" not in link and "?" not in link]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_and_runs_nothing_but_our_own_files(admin: Visitor, path: str) -> None:
    page = await admin.get(path)
    assert page.runs() == []
    assert [len(page.every(tag)) for tag in ("h1", "main", "title")] == [1, 1, 1]
    assert "Skip to the content" in page.text
    answer = await admin.client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


async def test_every_file_that_a_page_names_is_there_and_kept_by_browsers(site: Site, admin: Visitor) -> None:
    page = await admin.get("/")
    names = [one["src"] for one in page.every("script") if "src" in one]
    names += [one["href"] for one in page.every("link")] + [one["src"] for one in page.every("img")]
    assert len(names) >= 6
    async with site.stranger() as client:  # the login page has no credential either
        for name in names:
            answer = await client.get(name)
            assert answer.status_code == 200, name
            assert "immutable" in answer.headers["cache-control"]
            again = await client.get(name, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304
        for name in ("..%2flayout.py", "nothing.js", "%2e%2e/routes.py"):
            assert (await client.get(f"/static/{name}")).status_code in {303, 404}


@pytest.mark.parametrize("path", [*PAGES, "/health", "/ready", "/login", "/metrics", "/jobs", "/access"])
async def test_what_answers_get_answers_head_without_a_body(admin: Visitor, path: str) -> None:
    whole = await admin.client.get(path)
    answer = await admin.client.head(path)
    assert (answer.status_code, answer.text) == (200, "")
    for name in ("content-type", "content-security-policy"):
        assert answer.headers.get(name) == whole.headers.get(name)


async def test_head_is_let_in_no_further_than_get(site: Site) -> None:
    async with site.stranger() as client:
        assert (await client.head("/audit")).status_code == 401
        assert (await client.head("/login")).status_code == 200
    async with site.visitor(Role.VIEWER) as viewer:
        assert (await viewer.client.head("/audit")).status_code == 403
        assert (await viewer.client.head("/access/issue")).status_code == 405


async def test_a_look_at_a_login_address_does_not_use_it_up(site: Site) -> None:
    code = site.entrance.login_code()
    async with site.stranger() as client:
        looked = await client.head(f"/login?code={code}")
        assert (looked.status_code, "set-cookie" in looked.headers) == (200, False)
        assert "set-cookie" in (await client.get(f"/login?code={code}")).headers


async def test_who_is_not_logged_in_is_led_to_the_login(site: Site) -> None:
    async with site.stranger() as client:
        answer = await client.get("/audit", headers={"Accept": "text/html"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        form = await client.get("/login")
        assert form.status_code == 200
        assert "thk_" not in form.text


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        (Role.VIEWER, {"/servers", "/audit", "/snapshots", "/access", "/privacy", "/settings"}),
        (Role.AGENT, {"/servers", "/audit", "/snapshots", "/access", "/privacy", "/settings"}),
        (Role.OPERATOR, {"/access", "/privacy"}),
        (Role.ADMIN, set[str]()),
    ],
)
async def test_a_role_is_shown_and_given_only_the_pages_it_may_see(
    site: Site, role: Role, hidden: set[str]
) -> None:
    async with site.visitor(role) as visitor:
        shown = set(labels(await visitor.get("/")))
        everything = {"/servers", "/tools", "/audit", "/snapshots", "/access", "/privacy", "/settings"}
        assert shown & everything == everything - hidden
        for path in {"/servers", "/audit", "/snapshots"} & hidden:
            refused = await visitor.get(path, status=403)
            assert "has not the permission" in refused.text
        answer = await visitor.client.get("/audit", headers={"Accept": "text/html"})
        rows = await site.app.audit.query(AuditQuery(kinds=[EventKind.REFUSAL], limit=1))
        refusals = [(row["request_id"], row["details"]) for row in rows]
        on_record = {"method": "GET", "path": "/audit", "permission": "read_audit"}
        assert ((answer.headers["x-request-id"], on_record) in refusals) is ("/audit" in hidden)


async def test_a_page_that_is_not_there_says_so_as_a_page_and_rest_says_it_as_json(admin: Visitor) -> None:
    missing = await admin.get("/nothing/<b>here</b>", status=404)
    assert "There is no page" in missing.text
    assert missing.runs() == []
    api = await admin.client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert api.status_code == 404
    assert api.headers["content-type"] == "application/problem+json"


async def test_what_changes_something_takes_the_token_of_a_form_of_ours(
    open_site: OpenSite, plain_server: Json
) -> None:
    async with open_site({"plain": plain_server}) as site, site.visitor() as visitor:
        await site.app.gateway()
        for fields in ({}, {"csrf": "guessed"}):
            refused = await visitor.client.post("/servers/plain/restart", data=fields)
            assert refused.status_code == 403
        elsewhere = {"Origin": "http://evil.example"}
        page = await visitor.get("/servers")
        csrf = next(one["value"] for one in page.every("input") if one.get("name") == "csrf")
        foreign = await visitor.client.post("/servers/plain/restart", data={"csrf": csrf}, headers=elsewhere)
        assert foreign.status_code == 403
        asked = AuditQuery(kinds=(EventKind.SERVER,), limit=None)
        assert not [row for row in await site.app.audit.query(asked) if row["user_id"].startswith("token:")]

        answer = await visitor.post("/servers/plain/restart")
        assert (answer.status_code, answer.headers["location"]) == (303, "/servers#plain")
        page = await visitor.get("/servers")
        assert "ready" in page.text
        assert [row for row in await site.app.audit.query(asked) if row["user_id"].startswith("token:")]


async def test_a_server_that_does_not_start_is_shown_with_its_reason(open_site: OpenSite) -> None:
    broken: Json = {"command": "/nowhere/<script>alert(1)</script>", "args": []}
    async with open_site({"broken": broken}) as site, site.visitor() as visitor:
        await site.app.gateway()
        await visitor.post("/servers/broken/restart")
        page = await visitor.get("/servers")
        assert "/nowhere/" in page.text
        assert page.runs() == []


async def test_without_servers_the_page_says_how_to_name_some(admin: Visitor) -> None:
    page = await admin.get("/servers")
    assert "toolhone serve --config mcp.json" in page.text
