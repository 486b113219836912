"""What a query for snapshots means, the same for every store: its checks and its SQL."""

from dataclasses import replace

from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.snapshots import SnapshotQuery
from toolhone.storage.moments import moment

_CONDITIONS = {
    "category": "category = :category",
    "agent_id": "agent_id = :agent_id",
    "subject": "subject = :subject",
    "task_type": "task_type = :task_type",
    "success": "success = :success",
    "since": "recorded_at >= :since",
    "until": "recorded_at < :until",
}


def erasure_query(agent_id: str | None, subject: str | None) -> SnapshotQuery:
    """What an erasure deletes.

    Raises:
        InvalidRequestError: Neither or both are named.
    """
    if (agent_id is None) == (subject is None):
        raise InvalidRequestError("Name either an agent or a subject to erase.")
    return SnapshotQuery(agent_id=agent_id, subject=subject)


def checked(query: SnapshotQuery) -> SnapshotQuery:
    """The query with its times in the spelling of the rows. A time without a zone is UTC.

    Raises:
        InvalidRequestError: A time or the limit is not valid.
    """
    if query.limit is not None and query.limit < 0:
        raise InvalidRequestError(f"The limit cannot be {query.limit!r}; give 0 or more snapshots.")
    after = query.after and (moment("after", query.after[0]) or "", query.after[1])
    since, until = moment("since", query.since), moment("until", query.until)
    return replace(query, since=since, until=until, after=after)


def where(query: SnapshotQuery) -> str:
    """The conditions: fixed words only, all values are named parameters."""
    conditions = [sql for field, sql in _CONDITIONS.items() if getattr(query, field) is not None]
    return " AND ".join(conditions) or "TRUE"


def select(query: SnapshotQuery, columns: str) -> str:
    """The next part of what matches, after a row of a given time and number."""
    order = "DESC" if query.newest_first else "ASC"
    words = ("SELECT", columns, "FROM snapshots WHERE", where(query), "AND seq <= :last AND", _beyond(query))
    return " ".join((*words, "ORDER BY recorded_at", order, ", seq", order, "LIMIT :limit"))


def count(query: SnapshotQuery) -> str:
    """How many match."""
    words = ("SELECT COUNT(*) FROM snapshots WHERE", where(query))
    # Left out where it says nothing: an index alone is counted faster.
    return " ".join(words if query.after is None else (*words, "AND", _beyond(query)))


def _beyond(query: SnapshotQuery) -> str:
    return f"(recorded_at, seq) {'<' if query.newest_first else '>'} (:after_at, :after_seq)"


def values_of(query: SnapshotQuery, after_seq: int | None = None) -> JsonObject:
    """The named parameters, from the first row of the order on, or from what comes after `query.after`.

    Args:
        after_seq: The number of that one; `None` if it is gone.
    """
    values: JsonObject = {field: getattr(query, field) for field in _CONDITIONS}
    first = ("\U0010ffff", 2**63 - 1) if query.newest_first else ("", -1)
    if query.after is not None:
        # The first number of the order is before any row of that moment.
        first = (query.after[0], first[1] if after_seq is None else after_seq)
    return {**values, "after_at": first[0], "after_seq": first[1], "last": 2**63 - 1}
