"""Whatever agents, tools and servers write is shown as text: no page runs or evaluates any of it."""

from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.events import new_event
from toolhone.identifiers import new_id
from toolhone.models import AuditEvent, Caller, EventKind, Json
from toolhone.server.dashboard.layout import templates

Site: TypeAlias = Json
Visitor: TypeAlias = Json

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></textarea></script><svg onload=alert(1)>",
    "{{ 7919 * 7907 }}{% raw %}{{ cycler.__init__.__globals__ }}",
    "javascript:alert(1)",
    "'; DROP TABLE audit; --",
)
EVALUATED = str(7919 * 7907)


@pytest.fixture(scope="module")
async def request_ids(site: Site) -> list[str]:
    """A request for every text, with rows of every kind that have it wherever somebody could write it."""
    await site.app.gateway()
    made: list[str] = []
    for text in HOSTILE:
        request_id = new_id()
        for kind in EventKind:
            await site.app.audit.record(_event(kind, text, request_id))
        made.append(request_id)
    return made


def _event(kind: EventKind, text: str, request_id: str) -> AuditEvent:
    return new_event(
        kind,
        Caller(principal=text, client=text, session=text),
        request_id=request_id,
        call_id=f"{kind}{text}",
        slot=text,
        tool=text,
        server=text,
        success=False,
        error_code=text,
        execution_time_ms=12.0,
        tokens_used=3,
        payload={
            "arguments": {text: text, "x": {"$from": text}},
            "error": {"code": text, "message": text},
            "result": {text: [text]},
            "task": text,
            "names": [text],
            "what": text,
            "handle": text,
            "repair": text,
        },
    )


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_recorded_runs_and_all_of_it_is_read_as_it_was_written(
    admin: Visitor, request_ids: list[str], text: str
) -> None:
    page = await admin.get(f"/audit/requests/{request_ids[HOSTILE.index(text)]}")
    assert page.runs() == []
    assert EVALUATED not in page.html
    assert page.text.count(" ".join(text.split())) >= len(EventKind)
    assert len(page.every("article")) == len(EventKind)


async def test_lists_and_the_overview_run_nothing(admin: Visitor, request_ids: list[str]) -> None:
    for path in ("/", "/?window=30d", "/audit", "/audit?outcome=failed", "/audit?kind=selection"):
        page = await admin.get(path)
        assert page.runs() == [], path
        assert EVALUATED not in page.html


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_is_asked_for_comes_back_as_text(admin: Visitor, text: str) -> None:
    params = {"task": text, "budget": text, "category": text}
    answer = await admin.client.get("/tools/search", params=params)
    assert answer.status_code == 200
    searched = type(await admin.get("/tools"))(answer.text)
    assert searched.runs() == []
    field = next(one for one in searched.every("input") if one.get("name") == "task")
    assert field["value"] == text
    for path, names in (
        ("/tools", ("q", "server", "category")),
        ("/audit", ("tool", "server", "principal", "code", "window")),
        ("/audit", ("since", "until")),
    ):
        filtered = await admin.client.get(path, params=dict.fromkeys(names, text))
        assert filtered.status_code == 200
        assert type(searched)(filtered.text).runs() == []


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_name_in_the_address_that_leads_nowhere_is_told_as_text(admin: Visitor, text: str) -> None:
    for folder in ("/tools", "/audit/requests"):
        answer = await admin.client.get(f"{folder}/{text.replace('/', '%2F').replace('%}', '')}")
        assert answer.status_code == 404
        assert type(await admin.get("/tools"))(answer.text).runs() == []


async def test_a_tools_own_words_are_shown_and_what_they_hide_too(admin: Visitor) -> None:
    page = await admin.get("/tools/sly")
    assert page.runs() == []
    assert "<script>alert('description')</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "U+202E" in page.text  # it turns the direction of the text after it
    assert "\u202e" not in page.html
    assert (await admin.get("/tools?q=harmless")).runs() == []


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | st.text(alphabet="<>\"'&{}%#\u202e\ud800/\\ab"))
def test_any_text_can_be_sent_and_opens_no_element(text: str) -> None:
    source = '<p title="{{ text }}">{{ text }}</p>'
    html = templates().from_string(source).render(text=text)
    html.encode()
    assert html.count("<") == 2
    assert html.count('"') == 2
