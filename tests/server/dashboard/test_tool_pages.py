"""The catalog, one tool, and search as an agent does it."""

from typing import TypeAlias

import anyio
import pytest

from toolhone import tokens
from toolhone.answers import wire_form
from toolhone.events import new_event
from toolhone.models import LOCAL_CALLER, Caller, EventKind, Json
from toolhone.roles import Role
from toolhone.stores import AuditQuery

Site: TypeAlias = Json
Visitor: TypeAlias = Json
OpenSite: TypeAlias = Json


def listed(page: Json) -> list[str]:
    return [link.removeprefix("/tools/") for link in page.links() if link.startswith("/tools/")]


async def test_the_list_narrows_by_words_server_and_category(admin: Visitor) -> None:
    assert set(listed(await admin.get("/tools"))) >= {"add", "fail", "list_rows", "sly"}
    for query, expected in (
        ("q=ROWS+table", ["list_rows"]),
        ("category=specialized", ["list_rows"]),
        ("server=local&q=numbers", ["add"]),
        ("server=nowhere", []),
    ):
        assert [name for name in listed(await admin.get(f"/tools?{query}")) if name != "search"] == expected


async def test_a_page_beyond_the_last_is_the_last(admin: Visitor) -> None:
    assert "add" in listed(await admin.get("/tools?page=99999999999999999999"))


async def test_a_tool_is_told_with_what_it_takes_at_every_level(site: Site, admin: Visitor) -> None:
    gateway = await site.app.gateway()
    page = await admin.get("/tools/list_rows")
    assert (
        f"As JSON it takes {tokens.count_json(wire_form(gateway.catalog.get('list_rows')))} tokens"
        in page.text
    )
    for level in ("index", "types", "brief", "full"):
        assert level in page.text
    assert '"count"' in page.text


async def test_a_call_without_a_request_leads_nowhere(site: Site, admin: Visitor) -> None:
    await site.app.audit.record(new_event(EventKind.CALL, LOCAL_CALLER, tool="list_rows", success=True))
    page = await admin.get("/tools/list_rows")
    assert "Last calls" in page.text
    assert not [link for link in page.links() if link.startswith("/audit/requests/")]


async def test_an_unknown_tool_names_those_that_are_near(admin: Visitor) -> None:
    assert "Did you mean list_rows" in (await admin.get("/tools/listRows", status=404)).text


async def test_a_search_shows_the_very_text_that_an_agent_gets(site: Site, admin: Visitor) -> None:
    gateway = await site.app.gateway()
    found = await gateway.find("add two numbers", caller=Caller(principal="somebody"), max_tools=2)
    page = await admin.get("/tools/search?task=add+two+numbers&tools=2")
    assert " ".join(found.text.split()) in page.text
    assert f"{found.tokens_of_all:,}" in page.text
    assert f"{found.considered} " in page.text
    assert found.tools[0].definition.name in listed(page)


@pytest.mark.parametrize("page", ["/tools", "/tools/search"])
async def test_while_a_task_is_typed_the_model_is_loaded(open_site: OpenSite, page: str) -> None:
    async with open_site() as site, site.visitor() as visitor:
        gateway = await site.app.gateway()
        done, there = gateway.encoded
        assert done == 0 < there
        await visitor.get(page)
        with anyio.fail_after(60):
            while gateway.encoded[0] < gateway.encoded[1]:
                await visitor.get("/settings")


async def test_a_budget_is_kept_and_what_it_costs_is_recorded_as_the_visitors(
    site: Site, admin: Visitor
) -> None:
    page = await admin.get("/tools/search?task=list+the+rows+of+a+table&budget=60")
    (row,) = await site.app.audit.query(AuditQuery(kinds=(EventKind.SELECTION,), limit=1))
    assert row["tokens_used"] <= 60
    assert row["client"] == "dashboard"
    assert row["user_id"].startswith("token:")
    assert f"/audit/requests/{row['request_id']}" in page.links()


async def test_a_number_of_tools_out_of_range_is_refused_as_a_page(admin: Visitor) -> None:
    page = await admin.get("/tools/search?task=add&tools=5000", status=422)
    assert "tools" in page.text


async def test_a_token_for_some_tools_sees_only_those(site: Site) -> None:
    async with site.visitor(Role.AGENT, tools=("add",)) as visitor:
        assert [name for name in listed(await visitor.get("/tools")) if name != "search"] == ["add"]
        await visitor.get("/tools/list_rows", status=404)
        searched = await visitor.get("/tools/search?task=list+many+rows")
        assert "list_rows" not in searched.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("category=zz", "There is no category 'zz'"),
        ("budget=x", "'x' is no number of tokens"),
        ("budget=0", "write a whole number from 1 to 1,000,000, or nothing"),
        (f"budget={'9' * 5000}", "no number of tokens"),
    ],
)
async def test_a_search_with_an_option_that_means_nothing_finds_nothing_and_says_why(
    admin: Visitor, query: str, says: str
) -> None:
    page = await admin.get(f"/tools/search?task=add+two+numbers&{query}")
    assert says in page.text
    assert "best first" not in page.text
    assert next(one for one in page.every("input") if one.get("name") == "task")["value"] == "add two numbers"
