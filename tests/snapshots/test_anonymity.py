"""What is kept has no secret and nobody's name, and can still be found, grouped and learned from."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject
from toolhone.records.snapshots import Snapshot
from toolhone.redaction import redact_record as redact
from toolhone.snapshots.anonymity import anonymised, kept_id, subject_of
from toolhone.snapshots.validation import new_snapshot

Make = Callable[..., JsonObject]
KEY = b"k" * 32


def kept(value: JsonObject, key: bytes = KEY) -> Snapshot:
    return anonymised(new_snapshot(value), snapshot_id="s", recorded_at="t", key=key, redact=redact)


def text_of(snapshot: Snapshot) -> str:
    return json.dumps([getattr(snapshot, name) for name in Snapshot.__dataclass_fields__])


def test_what_is_harmless_stays_as_it_was(handed_in: Make) -> None:
    value = handed_in(
        session="session-7", tools_offered=["a"], tools_used=["a"], metadata={"model": "m"}, user_feedback=1
    )
    snapshot = kept(value)

    for field in value.keys() - {"tools_offered", "tools_used"}:
        assert getattr(snapshot, field) == value[field]
    assert (snapshot.tools_offered, snapshot.tools_used, snapshot.subject) == (("a",), ("a",), None)


def test_a_secret_goes_wherever_it_stands(handed_in: Make) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    snapshot = kept(
        handed_in(
            agent_name=f"Scanner {secret}",
            task_type=f"use {secret}",
            input_data={"a": [{"b": f"export X={secret}"}], secret: 1},
            output_data=f"it is {secret}",
            metadata={"note": secret},
            tools_offered=[secret],
            tools_used=[secret],
            session=secret,
            agent_id=secret,
        )
    )

    assert secret not in text_of(snapshot)


def test_a_user_is_kept_as_a_hash_that_only_the_key_can_make(handed_in: Make) -> None:
    first, again = kept(handed_in(user_id="anna")), kept(handed_in(user_id="anna"))
    elsewhere = kept(handed_in(user_id="anna"), key=b"another")

    assert first.subject == again.subject == subject_of("anna", KEY)
    assert first.subject is not None and len(first.subject) == 32
    assert first.subject != elsewhere.subject
    assert "anna" not in text_of(first)


@pytest.mark.parametrize(
    ("metadata", "user"),
    [
        ({"user_id": "anna"}, "anna"),
        ({"user": "anna"}, "anna"),
        ({"customer_id": 42}, "42"),
        ({"user": {"id": 1}, "customer_id": "42"}, "42"),
        ({"user_id": ""}, None),
        ({"user_id": True}, None),
        ({"email": "anna@example.com"}, None),
    ],
)
def test_the_user_whom_the_metadata_names_can_be_erased_too(
    handed_in: Make, metadata: JsonObject, user: str | None
) -> None:
    assert kept(handed_in(metadata=metadata)).subject == (user and subject_of(user, KEY))
    assert kept(handed_in(metadata=metadata, user_id="ben")).subject == subject_of("ben", KEY)


def test_nobodys_name_stands_beside_the_feedback(handed_in: Make) -> None:
    snapshot = kept(
        handed_in(
            user_feedback=0.75,
            metadata={
                "user_id": "anna",
                "User-Name": "Anna Maria",
                "email": "anna@example.com",
                "customerId": 4711,
                "user": {"name": "Anna Maria", "plan": "pro"},
                "nested": [{"full_name": "Anna Maria", "score": 3}],
                "model": "m",
            },
        )
    )

    assert snapshot.user_feedback == 0.75
    text = text_of(snapshot).lower()
    assert not any(word in text for word in ("anna", "maria", "4711", "example.com"))
    # The same person has the same hash, so that one can still count persons.
    assert snapshot.metadata["user_id"] == subject_of("anna", KEY)
    assert snapshot.metadata["customerId"] == subject_of("4711", KEY)
    assert "user" not in snapshot.metadata
    assert snapshot.metadata["nested"][0]["score"] == 3
    assert snapshot.metadata["model"] == "m"


def test_an_id_that_holds_an_address_stays_one_id(handed_in: Make) -> None:
    anna = kept(handed_in(agent_id="anna@example.com", session="of anna@example.com"))
    again = kept(handed_in(agent_id="anna@example.com"))
    ben = kept(handed_in(agent_id="ben@example.com"))

    assert "example.com" not in text_of(anna)
    assert anna.agent_id == again.agent_id == kept_id("anna@example.com", KEY, redact)
    assert len({anna.agent_id, ben.agent_id, anna.session, subject_of("anna@example.com", KEY)}) == 4
    assert kept_id("scanner-1", KEY, redact) == "scanner-1"


def test_what_the_redactor_is_never_done_with_is_refused(handed_in: Make) -> None:
    def gives_up(value: Json) -> Json:
        return "[REDACTED:secret]" if isinstance(value, dict) else value

    with pytest.raises(InvalidRequestError, match="'scanner-1' holds text that cannot be redacted"):
        anonymised(new_snapshot(handed_in()), snapshot_id="s", recorded_at="t", key=KEY, redact=gives_up)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


@settings(deadline=None, max_examples=200)
@given(agent=names, session=names, user=names)
def test_an_id_is_kept_the_same_in_a_snapshot_and_in_an_erasure(agent: str, session: str, user: str) -> None:
    value: dict[str, Json] = {
        "agent_id": agent,
        "agent_name": "a",
        "category": "general",
        "task_type": "t",
        "input_data": {},
        "output_data": {},
        "success": True,
        "performance_score": 1,
        "execution_time_ms": 1,
        "session": session,
        "user_id": user,
    }
    snapshot = kept(value)

    assert snapshot.agent_id == kept_id(agent, KEY, redact)
    assert snapshot.session == kept_id(session, KEY, redact)
    assert snapshot.subject == subject_of(user, KEY)
