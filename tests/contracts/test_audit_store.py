"""What every AuditStore does."""

import json
import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError
from toolhone.models import AuditEvent, Caller, EventKind
from toolhone.stores import RECENT_CALLS, AuditQuery, AuditStore

ANNA = Caller(principal="anna", client="inspector", session="s-1")
BEN = Caller(principal="ben")
EVERYTHING = AuditQuery(limit=None, newest_first=False)


def call(
    tool: str | None = "get_weather",
    caller: Caller = ANNA,
    *,
    success: bool | None = True,
    **fields: Any,
) -> AuditEvent:
    return new_event(EventKind.CALL, caller, tool=tool, success=success, **fields)


def erasure(*event_ids: str) -> AuditEvent:
    return new_event(EventKind.ERASURE, ANNA, payload={"event_ids": list(event_ids)})


def test_a_row_comes_back_in_the_export_form(audit_store: AuditStore) -> None:
    event = call(
        server="weather",
        request_id="r-1",
        call_id="c-1",
        slot="0",
        execution_time_ms=12,
        tokens_used=40,
        payload={"arguments": {"city": "Zürich"}, "result": {"celsius": 3}, "attempts": 1},
    )
    audit_store.append([event])

    [row] = audit_store.query(AuditQuery())

    assert row.pop("row_hash").startswith("sha256:")
    assert row == {
        "audit_id": event.event_id,
        "request_id": "r-1",
        "tool_name": "get_weather",
        "provider": "weather",
        "user_id": "anna",
        "parameters": {"city": "Zürich"},
        "success": True,
        "error": None,
        "execution_time_ms": 12.0,
        "tokens_used": 40,
        "violation": False,
        "violation_reason": None,
        "timestamp": event.timestamp,
        "seq": 1,
        "kind": "call",
        "call_id": "c-1",
        "slot": "0",
        "server": "weather",
        "error_code": None,
        "client": "inspector",
        "session": "s-1",
        "result": {"celsius": 3},
        "details": {"attempts": 1},
        "erased": False,
    }


def test_a_refusal_is_a_violation_with_its_reason(audit_store: AuditStore) -> None:
    audit_store.append(
        [
            new_event(
                EventKind.REFUSAL,
                ANNA,
                tool="nothing",
                success=False,
                error_code="unknown_tool",
                payload={"error": {"code": "unknown_tool", "message": "No such tool.", "data": {"near": []}}},
            ),
            call(success=False, error_code="timeout"),
        ]
    )

    refusal, failure = audit_store.query(EVERYTHING)

    assert refusal["violation"] is True
    assert refusal["violation_reason"] == refusal["error"] == "No such tool."
    assert refusal["details"] == {"error": {"data": {"near": []}}}
    assert refusal["provider"] is None  # nobody provides a tool that does not exist
    assert (failure["violation"], failure["violation_reason"]) == (False, None)
    assert (failure["error"], failure["provider"]) == ("timeout", "local")


def test_a_query_matches_every_field_that_is_set(audit_store: AuditStore) -> None:
    events = [
        call("a", request_id="r-1", call_id="c-1"),
        call("b", BEN, request_id="r-1", call_id="c-2", server="s", success=False),
        new_event(EventKind.SELECTION, BEN, request_id="r-2", success=True),
    ]
    audit_store.append(events)

    def found(*, newest_first: bool = False, **fields: Any) -> list[int]:
        rows = audit_store.query(AuditQuery(newest_first=newest_first, **fields))
        return [row["seq"] for row in rows]

    assert found() == [1, 2, 3]
    assert found(kinds=["call"]) == [1, 2]
    assert found(kinds=["call", "selection"], principal="ben") == [2, 3]
    assert found(kinds=[]) == []
    assert found(tool="a") == [1]
    assert found(server="s") == [2]
    assert found(success=True) == [1, 3]
    assert found(success=False) == [2]
    assert found(request_id="r-1") == [1, 2]
    assert found(call_id="c-2") == [2]
    assert found(since=events[1].timestamp) == [2, 3]
    assert found(until=events[1].timestamp) == [1]
    assert found(since="2999-01-01") == []
    assert found(until="2999-01-01T00:00:00+02:00") == [1, 2, 3]
    assert found(limit=2) == [1, 2]
    assert found(limit=2, newest_first=True) == [3, 2]
    assert found(limit=0) == []


def test_pages_follow_each_other_whatever_is_added_between(audit_store: AuditStore) -> None:
    audit_store.append([call(str(number % 3)) for number in range(10)])

    first = audit_store.query(AuditQuery(tool="1", limit=2))
    audit_store.append([call("1")])
    second = audit_store.query(AuditQuery(tool="1", limit=2, before=first[-1]["seq"]))

    assert [row["seq"] for row in (*first, *second)] == [8, 5, 2]
    newer = audit_store.query(AuditQuery(after=first[0]["seq"], newest_first=False))
    assert [row["seq"] for row in newer] == [9, 10, 11]
    assert audit_store.query(AuditQuery(before=1)) == []
    exported = audit_store.export(AuditQuery(after=3, before=6, limit=None))
    assert [row["seq"] for row in exported] == [4, 5]


def test_rows_are_found_by_the_code_of_their_error(audit_store: AuditStore) -> None:
    audit_store.append(
        [call(success=False, error_code=code) for code in ("timeout", "tool_failed", "timeout")]
    )

    assert [row["seq"] for row in audit_store.query(AuditQuery(error_code="timeout"))] == [3, 1]
    assert [row["seq"] for row in audit_store.query(AuditQuery(error_code="timeout", success=True))] == []


def test_a_clock_that_went_back_hides_no_row(audit_store: AuditStore) -> None:
    """Rows are found by their time, though their order is another."""
    times = ["2026-05-01", "2026-01-01", "2026-05-02", "2026-03-01"]
    stamps = [f"{day}T00:00:00.000000+00:00" for day in times for _ in range(700)]
    audit_store.append([replace(call(), timestamp=stamp) for stamp in stamps])

    def found(**fields: Any) -> set[int]:
        return {(row["seq"] - 1) // 700 for row in audit_store.query(AuditQuery(limit=None, **fields))}

    assert found(since="2026-05-01") == {0, 2}
    assert found(until="2026-03-01") == {1}
    assert found(since="2026-02-01", until="2026-05-01", kinds=["call", "model"]) == {3}


def test_every_query_finds_what_its_fields_say(audit_store: AuditStore) -> None:
    """Whichever index a store reads for them, all filters together mean the same."""
    rng = random.Random(6)
    kinds = [EventKind.CALL, EventKind.REFUSAL, EventKind.SELECTION]
    audit_store.append(
        [
            new_event(
                rng.choice(kinds),
                rng.choice([ANNA, BEN]),
                tool=rng.choice(["a", "b", None]),
                server=rng.choice(["s", None]),
                success=rng.choice([True, False, None]),
                error_code=rng.choice(["timeout", None]),
                request_id=rng.choice(["r-1", None]),
            )
            for _ in range(200)
        ]
    )
    rows = audit_store.query(AuditQuery(limit=None, newest_first=False))
    columns = {"tool": "tool_name", "principal": "user_id"}
    choices: dict[str, list[Any]] = {
        "tool": ["a", None],
        "server": ["s", None],
        "principal": ["ben", None],
        "success": [True, False, None],
        "error_code": ["timeout", None],
        "request_id": ["r-1", None],
        "kinds": [["call"], ["call", "refusal", "call"], [], None],
    }
    for combination in product(*choices.values()):
        fields = dict(zip(choices, combination, strict=True))
        expected = [
            row["seq"]
            for row in rows
            if all(
                value is None
                or (row["kind"] in value if name == "kinds" else row[columns.get(name, name)] == value)
                for name, value in fields.items()
            )
        ]
        found = audit_store.query(AuditQuery(limit=7, **fields))
        assert [row["seq"] for row in found] == expected[::-1][:7], fields


def test_facts_are_what_figures_are_made_of(audit_store: AuditStore) -> None:
    selection = new_event(
        EventKind.SELECTION, ANNA, success=True, tokens_used=30, payload={"tokens_of_all": 900}
    )
    audit_store.append([call(success=False, error_code="timeout", execution_time_ms=7), selection])
    (kept,) = audit_store.facts(1, 10)
    audit_store.erase([selection.event_id], record=erasure(selection.event_id))

    first, second, third = audit_store.facts(0, 10)

    assert (first.seq, first.kind, first.success, first.error_code) == (1, "call", False, "timeout")
    assert (first.tool, first.principal, first.session) == ("get_weather", "anna", "s-1")
    assert (first.execution_time_ms, first.tokens_of_all) == (7.0, None)
    assert (kept.tokens_used, kept.tokens_of_all, kept.tokens_of_available) == (30, 900, 900)
    # What was erased is not known any more.
    assert second == kept._replace(tokens_of_all=None, tokens_of_available=None)
    assert third.kind == "erasure"
    assert audit_store.facts(1, 1) == [second]
    assert second.row_hash == audit_store.query(AuditQuery(before=3, limit=1))[0]["row_hash"]


def test_the_facts_of_a_limited_selection_say_what_it_could_choose_from(audit_store: AuditStore) -> None:
    payload = {"tokens_of_all": 900, "tokens_of_available": 60}
    audit_store.append([new_event(EventKind.SELECTION, ANNA, success=True, payload=payload)])

    (fact,) = audit_store.facts(0, 10)

    assert (fact.tokens_of_all, fact.tokens_of_available) == (900, 60)


@pytest.mark.parametrize(
    "fields", [{"limit": -1}, {"since": "yesterday"}, {"kinds": ["calls"]}, {"before": -1}]
)
def test_a_query_that_makes_no_sense_is_refused(audit_store: AuditStore, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"-1|yesterday|calls"):
        audit_store.query(AuditQuery(**fields))


def test_an_export_streams_the_same_rows_oldest_first(audit_store: AuditStore) -> None:
    audit_store.append([call(str(number)) for number in range(1201)])

    def exported(query: AuditQuery) -> list[int]:
        return [row["seq"] for row in audit_store.export(query)]

    assert exported(AuditQuery(limit=None)) == list(range(1, 1202))
    assert exported(AuditQuery(limit=700)) == list(range(502, 1202))
    assert exported(AuditQuery(limit=700, newest_first=False)) == list(range(1, 701))
    assert exported(AuditQuery(limit=5, tool="3")) == [4]
    assert exported(AuditQuery(limit=5, tool="none")) == []


def test_an_export_shows_what_was_there_when_it_began(audit_store: AuditStore) -> None:
    audit_store.append([call() for _ in range(3)])
    export = audit_store.export(AuditQuery(limit=None))
    first = next(export)
    audit_store.append([call()])

    assert [first["seq"], *(row["seq"] for row in export)] == [1, 2, 3]


def test_an_untouched_chain_verifies(audit_store: AuditStore) -> None:
    assert audit_store.verify().whole
    assert audit_store.verify().head is None

    audit_store.append([call(execution_time_ms=3, tokens_used=1), call(success=None, tool=None)])
    early = audit_store.verify()
    audit_store.append([call("later")])
    late = audit_store.verify(remembered=early.head)

    assert (late.rows, late.erased, late.problems) == (3, 0, ())
    assert late.head == audit_store.query(AuditQuery(limit=1))[0]["row_hash"] != early.head


def test_a_remembered_head_that_is_not_in_the_chain_is_a_problem(audit_store: AuditStore) -> None:
    audit_store.append([call()])

    verification = audit_store.verify(remembered="sha256:" + "a" * 64)

    assert not verification.whole
    assert "remembered" in verification.problems[0]


def test_erasing_removes_payloads_and_keeps_the_chain(audit_store: AuditStore) -> None:
    events = [call(payload={"arguments": {"name": f"person {number}"}}) for number in range(3)]
    audit_store.append(events)
    ids = [events[0].event_id, events[2].event_id]

    assert audit_store.erase([*ids, "unknown"], record=erasure(*ids)) == 2

    rows = audit_store.query(EVERYTHING)
    assert [row["erased"] for row in rows] == [True, False, True, False]
    assert [row["parameters"] for row in rows] == [None, {"name": "person 1"}, None, None]
    assert rows[3]["kind"] == "erasure"
    assert rows[3]["details"] == {"event_ids": ids}
    assert rows[3]["user_id"] == "anna"
    verification = audit_store.verify()
    assert (verification.rows, verification.erased, verification.problems) == (4, 2, ())


def test_erasing_again_or_erasing_an_erasure_does_nothing(audit_store: AuditStore) -> None:
    event = call()
    audit_store.append([event])
    record = erasure(event.event_id)
    audit_store.erase([event.event_id], record=record)

    assert audit_store.erase([event.event_id, record.event_id], record=erasure(record.event_id)) == 0
    assert len(audit_store.query(EVERYTHING)) == 2


def test_usage_counts_calls_by_tool(audit_store: AuditStore) -> None:
    audit_store.append(
        [
            call("a", execution_time_ms=10.0, tokens_used=100),
            call("a", execution_time_ms=20.0, tokens_used=200, success=False),
            call("b"),
            new_event(EventKind.RETRY, ANNA, tool="a", execution_time_ms=1e6),
            new_event(EventKind.REFUSAL, ANNA, tool="c", success=False),
        ]
    )

    usage = audit_store.usage()

    assert set(usage) == {"a", "b"}
    assert (usage["a"].calls, usage["a"].failures) == (2, 1)
    assert (usage["a"].mean_ms, usage["a"].mean_tokens) == (15.0, 150.0)
    assert (usage["b"].calls, usage["b"].failures, usage["b"].mean_ms) == (1, 0, 0.0)
    assert audit_store.calls() == 3


def test_usage_knows_how_the_last_calls_went(audit_store: AuditStore) -> None:
    long_ago = replace(call("a", success=False), timestamp="2020-01-01T00:00:00.000000+00:00")
    outcomes = [number % 3 == 0 for number in range(RECENT_CALLS + 2)]
    audit_store.append([long_ago, *(call("a", success=worked) for worked in outcomes)])
    audit_store.append([call("a", success=False, error_code="cancelled"), call("b", success=None)])

    usage = audit_store.usage()

    assert [worked for _, worked in usage["a"].recent] == outcomes[2:]
    assert [ended for ended, _ in usage["a"].recent] == sorted(ended for ended, _ in usage["a"].recent)
    assert usage["b"].recent == ()


@pytest.mark.parametrize("odd", [call(payload={"set": {1, 2}}), call(payload={("a", "tuple"): 1})])
def test_an_event_that_cannot_be_kept_is_refused_whole(audit_store: AuditStore, odd: AuditEvent) -> None:
    with pytest.raises(InvalidRequestError, match="not JSON"):
        audit_store.append([call(), odd])

    assert audit_store.query(EVERYTHING) == []
    assert audit_store.verify().whole


def test_an_event_is_recorded_once(audit_store: AuditStore) -> None:
    event = call()
    audit_store.append([event])

    with pytest.raises(InvalidRequestError, match="cannot be recorded"):
        audit_store.append([call(), event])

    assert audit_store.verify().rows == 1


def test_text_and_numbers_that_json_or_utf8_cannot_spell_are_kept_readably(audit_store: AuditStore) -> None:
    audit_store.append(
        [call("bad\ud800name", payload={"arguments": {"x": float("nan"), "y": "lone \ud800", "z": "nul \0"}})]
    )

    [row] = audit_store.query(AuditQuery())

    assert row["tool_name"] == "bad\\ud800name"
    assert row["parameters"] == {"x": "NaN", "y": "lone \ud800", "z": "nul \0"}
    assert audit_store.verify().whole


def test_a_huge_payload_states_what_it_left_out(audit_store: AuditStore) -> None:
    audit_store.append([call("t" * 5000, payload={"arguments": {"q": "x"}, "result": ["y" * 100] * 10_000})])

    [row] = audit_store.query(AuditQuery())

    assert row["parameters"] == {"q": "x"}
    assert row["result"]["omitted"] is True
    assert row["result"]["bytes"] == len(json.dumps(["y" * 100] * 10_000, separators=(",", ":")))
    assert row["tool_name"].startswith("[omitted: 5000 characters, sha256 ")
    assert audit_store.verify().whole
