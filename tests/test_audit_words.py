"""What an audit row is about, in a few words."""

import pytest

from toolhone.audit_words import subject
from toolhone.models import EventKind, Json, JsonObject


def row(kind: EventKind, tool: str | None = None, **details: Json) -> JsonObject:
    return {"kind": kind.value, "tool_name": tool, "server": "git", "user_id": "local", "details": details}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (row(EventKind.CALL, "add"), "add"),
        (row(EventKind.SELECTION, task="add\n two"), "“add two”"),
        (
            row(EventKind.SELECTION, task={"omitted": True, "bytes": 70_000}),
            "a task of 70,000 bytes, omitted",
        ),
        (row(EventKind.SERVER, what="started"), "git: started"),
        (row(EventKind.RESULT_READ, handle="abc…", path="/rows"), "abc… /rows"),
        (row(EventKind.DESCRIPTION, names=["add", "sub"]), "add, sub"),
        (row(EventKind.ERASURE, event_ids=["a", "b"]), "2 rows asked for"),
        (row(EventKind.SNAPSHOT, snapshots=3), "3 collected"),
        (row(EventKind.SNAPSHOT), ""),
        (row(EventKind.JOB, what="created", job_id="finetune_1"), "created finetune_1"),
        (row(EventKind.ACCESS, what="logged_in"), "logged_in local"),
        (row(EventKind.REFUSAL, "add", method="x"), "add"),
        (row(EventKind.REFUSAL, method="GET", path="/api/v1/tokens"), "GET /api/v1/tokens"),
        (
            row(EventKind.REFUSAL, method="resources/read", uri="toolhone://catalog"),
            "resources/read toolhone://catalog",
        ),
        (row(EventKind.REFUSAL, method="prompts/get", name="choose_tools"), "prompts/get choose_tools"),
        (row(EventKind.REFUSAL, command="toolhone tokens issue"), "toolhone tokens issue"),
        (row(EventKind.DESCRIPTION, names={"omitted": True, "bytes": 70_000}), ""),
        (row(EventKind.ACCESS, what="token_issued", token_id="ab12", name="ci"), "token_issued ab12"),
    ],
)
def test_a_row_says_the_one_thing_to_know_of_it(given: JsonObject, words: str) -> None:
    assert subject(given) == words


@pytest.mark.parametrize("kind", list(EventKind))
def test_an_erased_row_of_any_kind_can_still_be_listed(kind: EventKind) -> None:
    assert isinstance(subject(row(kind)), str)
