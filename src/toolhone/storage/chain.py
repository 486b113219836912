"""An audit row: how it is sealed into the chain, checked, and shown. Pure; the stores keep the rows.

Sealing
    `payload_hash` is SHA-256 over a random salt and the payload's canonical text. `row_hash` is
    SHA-256 over the canonical JSON of every column but salt and payload, with `payload_hash` and the
    `previous_hash` of the row before. So the chain does not need the payload: erasing removes
    payload and salt, and without the salt the hash that stays cannot be tried against guesses.

What a check can show
    A changed value, a changed payload, a row missing from the middle or the start, a reordered row,
    and a payload that is gone without an erasure row that names it. A row missing from the end
    contradicts the head, which is kept in a second table. None of this stops somebody who may write
    the file from computing the whole chain and the head anew: the hashes have no secret. Only a head
    hash kept elsewhere (print it, mail it, commit it) and given to `verify` as `remembered` does.

The export form, one JSON object a row, is that of the `tool_calls_audit.jsonl` known from before:
    audit_id            the event's id
    request_id          joins what one request caused
    tool_name           as the caller asked for it; null for events that are not about a tool
    provider            the downstream server's name, or "local"; null without a known tool
    user_id             the principal
    parameters          the call's arguments; null if there are none or they were erased
    success, error      `error` is the message, else the code, else null
    execution_time_ms, tokens_used
    violation           true for a refusal, and then
    violation_reason    the same as `error`
    timestamp           UTC, ISO 8601
Of that form, `permission_level` and `risk_level` are left out: tools have no such levels here. Added:
    seq, kind, call_id, slot, server, error_code, client, session
    result              what the call answered
    details             the rest of the payload, by kind of event
    row_hash            to remember, or to compare
    erased              whether the payload was removed
"""

import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from typing import TypeAlias, cast

from toolhone.models import AuditEvent, EventKind, Json, JsonObject, canonical_json
from toolhone.storage.payload import column_text, payload_text
from toolhone.stores import AuditVerification

AuditRow: TypeAlias = dict[str, Json]
"""One row by column name, in the order of `COLUMNS`."""

GENESIS = "sha256:" + "0" * 64
"""What the first row continues."""

HASHED_COLUMNS = (
    "seq",
    "event_id",
    "timestamp",
    "kind",
    "principal",
    "client",
    "session",
    "request_id",
    "call_id",
    "slot",
    "tool",
    "server",
    "success",
    "error_code",
    "execution_time_ms",
    "tokens_used",
    "payload_hash",
    "previous_hash",
)
COLUMNS = (*HASHED_COLUMNS, "row_hash", "salt", "payload")

_MOST_PROBLEMS = 100


def unsealed(event: AuditEvent) -> AuditRow:
    """The row of an event before it has its place in the chain.

    Raises:
        InvalidRequestError: The payload is not JSON.
    """
    caller = event.caller
    payload = payload_text(event.payload)
    salt = secrets.token_hex(16)
    took = event.execution_time_ms
    return {
        "event_id": event.event_id,
        "timestamp": event.timestamp,
        "kind": event.kind.value,
        "principal": column_text(caller.principal),
        "client": column_text(caller.client),
        "session": column_text(caller.session),
        "request_id": column_text(event.request_id),
        "call_id": column_text(event.call_id),
        "slot": column_text(event.slot),
        "tool": column_text(event.tool),
        "server": column_text(event.server),
        "success": event.success,
        "error_code": column_text(event.error_code),
        # A whole number must come back as the same JSON it went in as, or the hash would differ.
        "execution_time_ms": None if took is None or not math.isfinite(took) else float(took),
        "tokens_used": event.tokens_used,
        "payload_hash": payload_hash(salt, payload),
        "salt": salt,
        "payload": payload,
    }


def seal(row: AuditRow, *, seq: int, previous_hash: str) -> AuditRow:
    """Give the row its place."""
    row = {**row, "seq": seq, "previous_hash": previous_hash}
    return {**row, "row_hash": row_hash(row)}


def row_hash(row: Mapping[str, Json]) -> str:
    """The hash of all that never changes in a row."""
    return _sha256(canonical_json({column: row[column] for column in HASHED_COLUMNS}))


def payload_hash(salt: str, payload: str) -> str:
    """The hash of a payload that only somebody with the salt can compare."""
    return _sha256(f"{salt}\n{payload}")


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ChainCheck:
    """Reads rows in order and collects what is wrong with them."""

    def __init__(self, *, remembered: str | None = None) -> None:
        self._remembered = remembered
        self._found = remembered is None or remembered == GENESIS
        self._seq = 0
        self._previous = GENESIS
        self._rows = 0
        self._erased: dict[str, int] = {}
        self._excused: set[str] = set()
        self._problems: list[str] = []
        self._more = 0

    def add(self, row: Mapping[str, Json]) -> None:
        """Check the next row."""
        seq = row["seq"]
        if seq != self._seq + 1:
            self._problem(f"Rows {self._seq + 1} to {seq - 1} are missing.")
        elif row["previous_hash"] != self._previous:
            before = f"row {self._seq}" if self._seq else "the start of the chain"
            self._problem(f"Row {seq} does not continue {before}: one of them was replaced.")
        if row_hash(row) != row["row_hash"]:
            self._problem(f"Row {seq} was changed.")
        self._check_payload(row)
        self._found = self._found or row["row_hash"] == self._remembered
        # As stated, not as computed: one changed row is one problem, not one for each row after it.
        self._seq, self._previous = seq, row["row_hash"]
        self._rows += 1

    def finish(self, head: tuple[int, str] | None) -> AuditVerification:
        """Compare the end of the rows with the head that was kept beside them."""
        if head is None:
            self._problem("The head of the chain is missing.")
        elif head[0] > self._seq:
            self._problem(f"Rows {self._seq + 1} to {head[0]} are missing from the end.")
        elif head != (self._seq, self._previous):
            self._problem(f"The head of the chain (row {head[0]}) is not the last row ({self._seq}).")
        for event_id, seq in self._erased.items():
            if event_id not in self._excused:
                self._problem(f"The payload of row {seq} is gone, but no erasure names {event_id}.")
        if not self._found:
            self._problem(f"No row has the remembered hash {self._remembered}: rows were cut off.")
        if self._more:
            self._problems.append(f"And {self._more} more problems.")
        return AuditVerification(
            rows=self._rows,
            erased=len(self._erased),
            head=self._previous if self._rows else None,
            problems=tuple(self._problems),
        )

    def _check_payload(self, row: Mapping[str, Json]) -> None:
        payload, salt = row["payload"], row["salt"]
        if payload is None:
            self._erased[row["event_id"]] = row["seq"]
            return
        if salt is None or payload_hash(salt, payload) != row["payload_hash"]:
            self._problem(f"The payload of row {row['seq']} was changed.")
        elif row["kind"] == EventKind.ERASURE:
            self._excused.update(json.loads(payload).get("event_ids", ()))

    def _problem(self, text: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(text)
        else:
            self._more += 1


def exported(row: Mapping[str, Json]) -> JsonObject:
    """The row in the export form of this module's docstring."""
    payload: JsonObject = {} if row["payload"] is None else json.loads(row["payload"])
    error = payload.pop("error", None)
    reason = row["error_code"]
    if isinstance(error, str):
        reason = error
    elif isinstance(error, dict):
        rest = dict(cast(JsonObject, error))
        reason = rest.pop("message", None) or reason
        rest.pop("code", None)
        if rest:
            payload["error"] = rest
    refused = row["kind"] == EventKind.REFUSAL
    known = row["tool"] is not None and row["error_code"] != "unknown_tool"
    return {
        "audit_id": row["event_id"],
        "request_id": row["request_id"],
        "tool_name": row["tool"],
        "provider": row["server"] or ("local" if known else None),
        "user_id": row["principal"],
        "parameters": payload.pop("arguments", None),
        "success": row["success"],
        "error": reason,
        "execution_time_ms": row["execution_time_ms"],
        "tokens_used": row["tokens_used"],
        "violation": refused,
        "violation_reason": reason if refused else None,
        "timestamp": row["timestamp"],
        "seq": row["seq"],
        "kind": row["kind"],
        "call_id": row["call_id"],
        "slot": row["slot"],
        "server": row["server"],
        "error_code": row["error_code"],
        "client": row["client"],
        "session": row["session"],
        "result": payload.pop("result", None),
        "details": payload,
        "row_hash": row["row_hash"],
        "erased": row["payload"] is None,
    }
