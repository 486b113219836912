"""What of a snapshot is kept: redacted as one record, and bound to no person by name.

Decided, because it could be otherwise:

- `user_id` is kept as a keyed hash only, the `subject`. Who has the data folder's key can find a user's
  snapshots again; who has only the snapshots cannot try names against it.
- In `metadata`, at any depth, what stands under a key that names a person (`user`, `user_id`, `customer_id`,
  `username`, `email`, …) becomes the same keyed hash if it is a text or a number, and is dropped with its key
  if it is more than that. So `user_feedback`, a number that is kept, has nobody's name beside it.
- A snapshot without `user_id` is bound to the user whom its metadata names in one of `SUBJECT_KEYS`.
- `agent_id` and `session` are what snapshots are grouped and erased by. If something in one of them would be
  redacted (an e-mail address, say), the whole id becomes a keyed hash in place of a mark: the same id always
  becomes the same, others stay apart, and an erasure under the original finds them.
- All the rest is redacted in one go, so that the numbers of the marks agree within the snapshot.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import encoded, is_array, is_object
from toolhone.models import Json, JsonObject
from toolhone.records.snapshots import NewSnapshot, Snapshot

Redact = Callable[[Json], Json]

SUBJECT_KEYS = ("user_id", "user", "customer_id")

_PERSONS = frozenset(
    {
        *("user", "userid", "username", "useremail", "login", "loginname"),
        *("email", "emailaddress", "mail", "phone", "phonenumber"),
        *("customer", "customerid", "customername", "customeremail"),
        *("account", "accountid", "accountname", "member", "memberid"),
        *("patient", "patientid", "employee", "employeeid", "person", "personid", "subjectid"),
        *("firstname", "lastname", "fullname", "surname", "displayname", "realname"),
        *("author", "reviewer", "ratedby", "feedbackby"),
    }
)
"""Keys that name a person, in lower case and without what is not a letter or a digit."""

_NOT_WORD = re.compile(r"[^a-z0-9]")

SUBJECT_CHARACTERS = 32
_PSEUDONYM = "id-"


def subject_of(user_id: str, key: bytes) -> str:
    """The keyed hash by which a user's snapshots are found."""
    return _keyed(encoded(user_id), key)


@lru_cache(maxsize=4_096)  # an agent or a session has many snapshots, one after the other
def kept_id(name: str, key: bytes, redact: Redact) -> str:
    """An agent's id or a session as it is kept: itself, or a keyed hash if it holds what must not be kept.

    It depends on nothing else in the snapshot, so that one id never becomes two.
    """
    if redact(name) == name:
        return name
    # Not the hash that a user of this name would have: an agent is not a user.
    return _PSEUDONYM + _keyed(b"id\x00" + encoded(name), key)


def names_a_person(key: str) -> bool:
    """Whether what stands under this key says whose data it is."""
    return _NOT_WORD.sub("", key.lower()) in _PERSONS


def anonymised(
    new: NewSnapshot, *, snapshot_id: str, recorded_at: str, key: bytes, redact: Redact
) -> Snapshot:
    """What is kept of a snapshot.

    Raises:
        InvalidRequestError: Nothing can be kept of it: the redactor could not be done with it.
    """
    user_id = new.user_id or _user_in(new.metadata)
    record = redact(
        {
            "agent_name": new.agent_name,
            "task_type": new.task_type,
            "input_data": new.input_data,
            "output_data": new.output_data,
            "tools_offered": list(new.tools_offered),
            "tools_used": list(new.tools_used),
            "metadata": _without_persons(new.metadata, key),
        }
    )
    if not is_object(record):
        raise InvalidRequestError(
            f"The snapshot of {kept_id(new.agent_id, key, redact)!r} holds text that cannot be redacted: "
            "each time a secret is taken out, another one appears. Leave out what is not plain text."
        )
    return Snapshot(
        snapshot_id=snapshot_id,
        recorded_at=recorded_at,
        agent_id=kept_id(new.agent_id, key, redact),
        agent_name=record["agent_name"],
        category=new.category,
        task_type=record["task_type"],
        input_data=record["input_data"],
        output_data=record["output_data"],
        success=new.success,
        performance_score=new.performance_score,
        execution_time_ms=new.execution_time_ms,
        tokens_used=new.tokens_used,
        user_feedback=new.user_feedback,
        session=None if new.session is None else kept_id(new.session, key, redact),
        subject=None if user_id is None else subject_of(user_id, key),
        tools_offered=tuple(record["tools_offered"]),
        tools_used=tuple(record["tools_used"]),
        metadata=record["metadata"],
    )


def _keyed(text: bytes, key: bytes) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:SUBJECT_CHARACTERS]


def _user_in(metadata: JsonObject) -> str | None:
    for name in SUBJECT_KEYS:
        if (found := _name(metadata.get(name))) is not None:
            return found
    return None


def _name(value: Json) -> str | None:
    """A text or a number as the name that it may be."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _without_persons(value: Json, key: bytes) -> Json:
    if is_object(value):
        kept: JsonObject = {}
        for name, item in value.items():
            if not names_a_person(str(name)):
                kept[name] = _without_persons(item, key)
            elif (found := _name(item)) is not None:
                kept[name] = subject_of(found, key)
        return kept
    if is_array(value) or isinstance(value, tuple):
        return [_without_persons(item, key) for item in cast("list[Json]", value)]
    return value
