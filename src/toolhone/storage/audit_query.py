"""What an audit query means, the same for every store: its checks, its SQL, its test on one row."""

from collections.abc import Mapping
from dataclasses import replace

from toolhone.exceptions import InvalidRequestError
from toolhone.models import EventKind, Json, JsonObject
from toolhone.storage.moments import moment
from toolhone.stores import AuditQuery

_EQUAL = ("tool", "server", "principal", "success", "error_code", "request_id", "call_id")
"""What a row must have the value of."""

_INDEXES = {
    "request_id": "audit_by_request",
    "call_id": "audit_by_call",
    "tool": "audit_by_tool",
    "server": "audit_by_server",
    "principal": "audit_by_principal",
    "error_code": "audit_by_error",
}
"""Which index finds the rows of one value, in the order of `seq`."""

_NARROW = "audit_narrow"
"""Holds all that is filtered by but the time and what joins rows: read where filters meet."""


def checked(query: AuditQuery) -> AuditQuery:
    """The query with its times in the spelling of the rows. A time without a zone is UTC.

    Raises:
        InvalidRequestError: A time, kind, place or limit is not valid.
    """
    if query.limit is not None and query.limit < 0:
        raise InvalidRequestError(f"An audit query's limit cannot be {query.limit!r}; give 0 or more.")
    for name in ("after", "before"):
        place = getattr(query, name)
        if place is not None and not 0 <= place < 2**63:
            raise InvalidRequestError(f"{name!r} is the 'seq' of an audit row, 0 or more; got {place!r}.")
    known = [kind.value for kind in EventKind]
    for kind in query.kinds or ():
        if kind not in known:
            raise InvalidRequestError(f"No audit row is of kind {kind!r}. Kinds: {', '.join(known)}.")
    kinds = None if query.kinds is None else list(dict.fromkeys(query.kinds))
    return replace(query, kinds=kinds, since=moment("since", query.since), until=moment("until", query.until))


def select(query: AuditQuery, *, columns: str = "*", newest_first: bool = False) -> str:
    """The SQL of a checked query: fixed words only, all values are named parameters.

    One kind at a time is looked for, so that each is read from the end of its own part of the index, and
    no more of it than is shown; the rows themselves are read last.
    """
    order = "DESC" if newest_first else "ASC"
    kinds = range(len(query.kinds)) if query.kinds is not None else [None]
    parts = [" ".join(("SELECT * FROM (", _places(query, order, kind), ")")) for kind in kinds]
    places = " UNION ALL ".join(parts) or "SELECT NULL"
    return " ".join(
        ("SELECT", columns, "FROM audit WHERE seq IN (", places, ") ORDER BY seq", order, "LIMIT :limit")
    )


def _places(query: AuditQuery, order: str, kind: int | None) -> str:
    """The SQL of the `seq` of the rows of one kind, or of all."""
    equal = [name for name in _EQUAL if getattr(query, name) is not None]
    conditions = ["seq > :after", "seq <= :last"]
    if kind is not None:
        conditions.append(f"kind = :kind_{kind}")
    conditions += [f"{name} = :{name}" for name in equal if name != "success"]
    if query.success is not None:
        conditions.append("success = 1" if query.success else "success = 0")
    if query.since is not None:
        conditions.append("timestamp >= :since")
    if query.until is not None:
        conditions.append("timestamp < :until")
    words = ("SELECT seq FROM audit", _by(equal, kind, query), "WHERE", " AND ".join(conditions))
    return " ".join((*words, "ORDER BY seq", order, "LIMIT :limit"))


def _by(equal: list[str], kind: int | None, query: AuditQuery) -> str:
    """By which index the rows are found. SQLite would guess, without knowing how common a value is."""
    joining = next((name for name in ("call_id", "request_id") if name in equal), None)
    if joining is not None:
        return f"INDEXED BY {_INDEXES[joining]}"
    if "error_code" in equal:
        return f"INDEXED BY {_INDEXES['error_code']}"
    if query.success is False:
        return "INDEXED BY audit_by_failure"
    filters = len(equal) + (kind is not None)
    if filters == 0:
        return "NOT INDEXED"
    if filters > 1:
        return f"INDEXED BY {_NARROW}"
    if kind is not None:
        return "INDEXED BY audit_by_kind"
    if query.success is not None:
        # That is nearly everything: the first rows looked at are shown.
        return f"INDEXED BY {_NARROW}"
    return f"INDEXED BY {_INDEXES[equal[0]]}"


SPAN = 1000
"""Rows of which the first and the last time are kept together; see `index_audit`."""

BOUNDS = (
    "SELECT (SELECT MIN(block) FROM audit_spans WHERE last >= :since), "
    "(SELECT MAX(block) FROM audit_spans WHERE first < :until)"
)
"""In which thousands of rows the first and the last of a time may be."""


def parameters(query: AuditQuery) -> JsonObject:
    """The named parameters of `select`; an export narrows `after`, `last` and `limit`."""
    return {
        **{name: getattr(query, name) for name in (*_EQUAL, "since", "until")},
        **{f"kind_{number}": kind for number, kind in enumerate(query.kinds or ())},
        "after": query.after or 0,
        "last": 2**63 - 1 if query.before is None else query.before - 1,
        "limit": -1 if query.limit is None else query.limit,
    }


def within(values: JsonObject, query: AuditQuery, first: int | None, last: int | None) -> JsonObject:
    """The parameters, over no more rows than those that may be of the query's time (see `BOUNDS`)."""
    nothing = {"after": 0, "last": 0}
    if query.since is not None:
        if first is None:
            return values | nothing
        values = values | {"after": max(values["after"], first * SPAN - 1)}
    if query.until is not None:
        if last is None:
            return values | nothing
        values = values | {"last": min(values["last"], last * SPAN + SPAN - 1)}
    return values


def matches(row: Mapping[str, Json], query: AuditQuery) -> bool:
    """Whether the row is one that `select` would find."""
    return (
        (query.kinds is None or row["kind"] in query.kinds)
        and all(getattr(query, column) is None or row[column] == getattr(query, column) for column in _EQUAL)
        and (query.after is None or row["seq"] > query.after)
        and (query.before is None or row["seq"] < query.before)
        and (query.since is None or row["timestamp"] >= query.since)
        and (query.until is None or row["timestamp"] < query.until)
    )
