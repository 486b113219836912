"""What an audit query means, the same for every store: its checks, its SQL, its test on one row."""

import json
from collections.abc import Mapping
from dataclasses import replace

from toolhone.exceptions import InvalidRequestError
from toolhone.models import EventKind, Json, JsonObject
from toolhone.storage.moments import moment
from toolhone.stores import AuditQuery

_CONDITIONS = {
    "kinds": "kind IN (SELECT value FROM json_each(:kinds))",
    "tool": "tool = :tool",
    "server": "server = :server",
    "principal": "principal = :principal",
    "success": "success = :success",
    "request_id": "request_id = :request_id",
    "call_id": "call_id = :call_id",
    "since": "timestamp >= :since",
    "until": "timestamp < :until",
}


def checked(query: AuditQuery) -> AuditQuery:
    """The query with its times in the spelling of the rows. A time without a zone is UTC.

    Raises:
        InvalidRequestError: A time, kind or limit is not valid.
    """
    if query.limit is not None and query.limit < 0:
        raise InvalidRequestError(f"An audit query's limit cannot be {query.limit!r}; give 0 or more.")
    known = [kind.value for kind in EventKind]
    for kind in query.kinds or ():
        if kind not in known:
            raise InvalidRequestError(f"No audit row is of kind {kind!r}. Kinds: {', '.join(known)}.")
    return replace(query, since=moment("since", query.since), until=moment("until", query.until))


def select(query: AuditQuery, *, columns: str = "*", newest_first: bool = False) -> str:
    """The SQL of a checked query: fixed words only, all values are named parameters."""
    conditions = ["seq > :after", "seq <= :last"]
    conditions += [sql for field, sql in _CONDITIONS.items() if getattr(query, field) is not None]
    order = "DESC" if newest_first else "ASC"
    words = ("SELECT", columns, "FROM audit WHERE", " AND ".join(conditions))
    return " ".join((*words, "ORDER BY seq", order, "LIMIT :limit"))


def parameters(query: AuditQuery) -> JsonObject:
    """The named parameters of `select`, over all rows; an export narrows `after`, `last` and `limit`."""
    values = {field: getattr(query, field) for field in _CONDITIONS}
    values["kinds"] = json.dumps(list(query.kinds or ()))
    return {**values, "after": 0, "last": 2**63 - 1, "limit": -1 if query.limit is None else query.limit}


def matches(row: Mapping[str, Json], query: AuditQuery) -> bool:
    """Whether the row is one that `condition` would find."""
    return (
        (query.kinds is None or row["kind"] in query.kinds)
        and all(
            getattr(query, column) is None or row[column] == getattr(query, column)
            for column in ("tool", "server", "principal", "success", "request_id", "call_id")
        )
        and (query.since is None or row["timestamp"] >= query.since)
        and (query.until is None or row["timestamp"] < query.until)
    )
