"""The course of a job out of the table of events: looked up where it is needed, not read from its begin.

A training can note a hundred thousand figures, and a page that shows it asks anew every few seconds.
"""

import json
import sqlite3
from collections.abc import Iterable

from toolhone.records.course import DRAWN, JobCourse
from toolhone.records.jobs import JobEvent

_OF_JOB = "FROM events WHERE job_id = :job"
_DRAWN = "kind IN ('" + "', '".join(DRAWN) + "')"
_RARE = (
    "kind = 'cost'",
    # `instr` is many times as fast as to read the JSON, and leaves little to be read.
    "kind = 'metrics' AND instr(data, 'validation_loss') "
    "AND json_extract(data, '$.validation_loss') IS NOT NULL",
)
"""Figures that would fall out between the others: costs and validations."""


def event_of(job_id: str, row: tuple[int, str, str, str, str]) -> JobEvent:
    """An event, of its columns seq, at, kind, message, data."""
    seq, at, kind, message, data = row
    return JobEvent(seq=seq, job_id=job_id, at=at, kind=kind, message=message, data=json.loads(data))


def course_of(
    connection: sqlite3.Connection, job_id: str, *, attempt: int, said: int, points: int
) -> JobCourse:
    """See `JobStore.course`."""
    last_said = connection.execute(
        f"SELECT seq, at, kind, message, data {_OF_JOB} AND NOT {_DRAWN} ORDER BY seq DESC LIMIT :said",
        {"job": job_id, "said": said},
    ).fetchall()
    (all_said,) = connection.execute(
        f"SELECT count(*) {_OF_JOB} AND NOT {_DRAWN}",
        {"job": job_id},
    ).fetchone()
    seqs = _drawn(connection, job_id, attempt, points)
    drawn = connection.execute(
        "SELECT seq, at, kind, message, data FROM events "
        "WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
        (json.dumps(sorted(seqs)),),
    ).fetchall()
    return JobCourse(
        said=[event_of(job_id, row) for row in last_said],
        earlier=all_said - len(last_said),
        drawn=[event_of(job_id, row) for row in drawn],
    )


def _drawn(connection: sqlite3.Connection, job_id: str, attempt: int, points: int) -> set[int]:
    """Which figures of an attempt are shown: its ends, some between them, and the rare ones."""
    (last,) = connection.execute(
        f"SELECT seq {_OF_JOB} AND {_DRAWN} ORDER BY seq DESC LIMIT 1",
        {"job": job_id},
    ).fetchone() or (None,)
    if last is None:
        return set()
    first = _begin(connection, job_id, attempt, last)
    if first > last:  # the attempt has none yet
        return set()
    targets = {first + (last - first) * point // points for point in range(points + 1)}
    found = {_next(connection, job_id, target)[0] for target in targets} | {last}
    for rare in _RARE:
        seqs = connection.execute(
            f"SELECT seq {_OF_JOB} AND seq >= :first AND {rare} ORDER BY seq",
            {"job": job_id, "first": first},
        ).fetchall()
        found |= _some([seq for (seq,) in seqs], points)
    return found


def _begin(connection: sqlite3.Connection, job_id: str, attempt: int, last: int) -> int:
    """Where the figures of an attempt begin: after `last` if it has none. Attempts follow each other."""
    low, high = _next(connection, job_id, 0)[0], last + 1
    while low < high:
        middle = (low + high) // 2
        seq, its = _next(connection, job_id, middle)
        if its is not None and its >= attempt:
            high = middle
        else:
            low = seq + 1
    return low


def _next(connection: sqlite3.Connection, job_id: str, seq: int) -> tuple[int, int | None]:
    """The first figure from this place on, and its attempt; there is one."""
    return connection.execute(
        f"SELECT seq, json_extract(data, '$.attempt') {_OF_JOB} AND seq >= :seq AND {_DRAWN} "
        "ORDER BY seq LIMIT 1",
        {"job": job_id, "seq": seq},
    ).fetchone()


def _some(seqs: Iterable[int], points: int) -> set[int]:
    """At most so many of them, evenly, with the last."""
    known = list(seqs)
    stride = -(-len(known) // points) or 1
    return set(known[::-1][::stride])
