"""The audit explorer: filters, pages that follow each other, and everything of one request."""

from typing import TypeAlias

import pytest

from toolhone.events import new_event
from toolhone.identifiers import new_id
from toolhone.models import Caller, EventKind, Json
from toolhone.roles import Role

Site: TypeAlias = Json
Visitor: TypeAlias = Json

ROWS = 120


@pytest.fixture(scope="module")
async def recorded(site: Site) -> None:
    """So many calls of one caller, numbered, every tenth of them failed."""
    await site.app.gateway()
    for number in range(ROWS):
        await site.app.audit.record(
            new_event(
                EventKind.CALL,
                Caller(principal="counted"),
                request_id=new_id(),
                tool=f"tool_{number:03}",
                server="numbered",
                success=number % 10 != 0,
                error_code=None if number % 10 else "tool_failed",
                execution_time_ms=1.0,
                tokens_used=1,
            )
        )


def shown(page: Json) -> list[int]:
    """The numbers of the tools that a list shows, in its order."""
    words = page.text.split()
    return [
        int(word.removeprefix("tool_")) for word in words if word.startswith("tool_") and word[5:].isdigit()
    ]


def neighbour(page: Json, rel: str) -> str:
    return next(one["href"] for one in page.every("a") if one.get("rel") == rel)


async def test_pages_follow_each_other_both_ways_whatever_is_added(
    site: Site, admin: Visitor, recorded: None
) -> None:
    first = await admin.get("/audit?principal=counted&kind=call")
    assert shown(first) == list(range(119, 69, -1))
    second = await admin.get(neighbour(first, "next"))
    assert shown(second) == list(range(69, 19, -1))
    last = await admin.get(neighbour(second, "next"))
    assert shown(last) == list(range(19, -1, -1))
    assert not [one for one in last.every("a") if one.get("rel") == "next"]

    back = await admin.get(neighbour(last, "prev"))
    assert shown(back) == shown(second)
    newest = await admin.get(neighbour(back, "prev"))
    assert shown(newest) == shown(first)
    beyond = [one for one in newest.every("a") if one.get("rel") == "prev"]
    assert beyond == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tool=tool_007", [7]),
        ("server=numbered&outcome=failed", list(range(110, -1, -10))),
        ("principal=counted&code=tool_failed", list(range(110, -1, -10))),
        ("principal=counted&window=between&until=2001-01-01", []),
        ("principal=nobody", []),
    ],
)
async def test_filters_narrow_the_list(
    admin: Visitor, recorded: None, query: str, expected: list[int]
) -> None:
    page = await admin.get(f"/audit?{query}")
    assert shown(page) == expected
    if not expected:
        assert "No row matches" in page.text


async def test_a_filter_that_is_not_valid_is_named_and_the_form_stays(admin: Visitor) -> None:
    page = await admin.get("/audit?kind=nonsense&window=between&since=yesterday-ish&tool=add")
    assert "nonsense" in page.text or "yesterday-ish" in page.text
    assert next(one for one in page.every("input") if one.get("name") == "tool")["value"] == "add"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("kind=zz", "zz"),
        ("outcome=zz", "There is no outcome 'zz'; there are ok, failed."),
        ("window=zz", "There is no time 'zz'; there are 1h, 24h, 7d, 30d, between."),
        ("before=99999999999999999999", "99999999999999999999"),
    ],
)
async def test_a_filter_with_an_unknown_value_shows_no_rows_but_what_is_wrong(
    admin: Visitor, recorded: None, query: str, says: str
) -> None:
    page = await admin.get(f"/audit?principal=counted&{query}")
    assert says in page.text
    assert shown(page) == []


async def test_a_batch_is_drawn_as_its_plan_and_told_as_a_table(site: Site, admin: Visitor) -> None:
    gateway = await site.app.gateway()
    await gateway.call(
        [
            {"id": "first", "tool": "add", "arguments": {"a": 1, "b": 2}},
            {"id": "then", "tool": "add", "arguments": {"a": {"$from": "first", "path": "/sum"}, "b": 4}},
            {"id": "broken", "tool": "fail", "arguments": {"reason": "it had to"}},
        ],
        caller=Caller(principal="planner"),
    )
    page = await admin.get("/audit?principal=planner")
    link = next(one for one in page.links() if one.startswith("/audit/requests/"))
    drawn = await admin.get(link.partition("#")[0])
    assert "A batch of 3 calls" in drawn.text
    bars = [one for one in drawn.every("rect") if "bar" in one["class"]]
    assert len(bars) == 3
    assert sum("failed" in one["class"] for one in bars) == 1
    assert len([one for one in drawn.every("path") if one.get("class") == "arrow"]) == 1
    assert "then needs first" in drawn.text
    assert "Waited for" in drawn.text
    assert "it had to" in drawn.text
    ids = [attributes["id"] for _, attributes in drawn.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    # Every bar leads to what was recorded of its call.
    assert all(link[1:] in ids for link in drawn.links() if link.startswith("#row-"))


async def test_the_id_of_a_request_or_of_a_call_leads_to_its_request(site: Site, admin: Visitor) -> None:
    gateway = await site.app.gateway()
    await gateway.call([{"tool": "add", "arguments": {"a": 1, "b": 2}}], caller=Caller(principal="one call"))
    page = await admin.get("/audit?principal=one+call")
    link = next(one for one in page.links() if one.startswith("/audit/requests/")).partition("#")[0]
    request_id = link.rpartition("/")[2]
    request = await admin.get(link)
    call_id = next(word for word in request.text.split("Call id ")[1].split())
    for given in (request_id, f" {call_id} "):
        answer = await admin.client.get("/audit/id", params={"id": given})
        assert (answer.status_code, answer.headers["location"]) == (303, link)
    for given in ("", "unknown"):
        assert (await admin.client.get("/audit/id", params={"id": given})).status_code == 404


async def test_what_was_erased_is_said_to_be(site: Site, admin: Visitor) -> None:
    event = new_event(
        EventKind.CALL,
        Caller(principal="private"),
        request_id=new_id(),
        tool="add",
        success=True,
        payload={"arguments": {"secret": "once here"}},
    )
    await site.app.audit.record(event)
    await site.app.audit.erase([event.event_id], caller=Caller(principal="admin"))
    page = await admin.get(f"/audit/requests/{event.request_id}")
    assert "What it held was erased" in page.text
    assert "once here" not in page.text


async def test_an_agent_comes_to_no_page_of_the_audit(site: Site, recorded: None) -> None:
    async with site.visitor(Role.AGENT) as visitor:
        for path in ("/audit", "/audit/id?id=x", "/audit/requests/x"):
            assert "tool_0" not in (await visitor.get(path, status=403)).text
        overview = await visitor.get("/")
        assert "numbered" not in overview.text
        assert "tool_0" not in overview.text
        tool = await visitor.get("/tools/add")
        assert "Last calls" not in tool.text
