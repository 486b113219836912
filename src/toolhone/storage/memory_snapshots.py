"""Snapshots in memory: for tests, and for library use that should leave nothing behind."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from toolhone.exceptions import InvalidRequestError
from toolhone.records.snapshots import CategoryCount, Snapshot, SnapshotQuery
from toolhone.storage.snapshot_query import checked, erasure_query
from toolhone.storage.snapshots import KEY_BYTES


class MemorySnapshotStore:
    """Snapshots in a dictionary; of those that are gone the same is kept as on disk."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._numbers: dict[str, int] = {}
        """Of those that ever were."""
        self._gone: dict[str, tuple[str, str | None]] = {}
        """Agent and subject of those that were deleted by age."""
        self._erased: dict[str, str] = {}
        self._key = secrets.token_bytes(KEY_BYTES)
        self._lock = threading.Lock()

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        with self._lock:
            added = {snapshot.snapshot_id: snapshot for snapshot in snapshots}
            if len(added) < len(snapshots) or added.keys() & self._snapshots.keys():
                raise InvalidRequestError("A snapshot cannot be kept, so none was: its id is taken.")
            self._snapshots |= added
            for snapshot_id in added:
                self._numbers[snapshot_id] = len(self._numbers) + 1

    def select(self, query: SnapshotQuery) -> Iterator[Snapshot]:
        with self._lock:
            found = self._matching(query)
        yield from found

    def added(self, after: int, limit: int) -> tuple[list[tuple[int, Snapshot]], int]:
        with self._lock:
            found = [(self._numbers[one.snapshot_id], replace(one)) for one in self._snapshots.values()]
        return [pair for pair in found if pair[0] > after][:limit], len(self._numbers)

    def count(self, query: SnapshotQuery) -> int:
        with self._lock:
            return len(self._matching(query))

    def counts(self) -> list[CategoryCount]:
        with self._lock:
            snapshots = self._matching(SnapshotQuery())
        found: list[CategoryCount] = []
        for category in sorted({snapshot.category for snapshot in snapshots}):
            of_it = [snapshot for snapshot in snapshots if snapshot.category is category]
            found.append(
                CategoryCount(
                    category=category,
                    snapshots=len(of_it),
                    successes=sum(snapshot.success for snapshot in of_it),
                    oldest=of_it[0].recorded_at,
                    newest=of_it[-1].recorded_at,
                    mean_score=fmean(snapshot.performance_score for snapshot in of_it),
                )
            )
        return found

    def delete(self, query: SnapshotQuery) -> list[str]:
        with self._lock:
            found = self._matching(query)
            for snapshot in found:
                self._gone[snapshot.snapshot_id] = (snapshot.agent_id, snapshot.subject)
                del self._snapshots[snapshot.snapshot_id]
        return [snapshot.snapshot_id for snapshot in found]

    def erase(self, *, agent_id: str | None = None, subject: str | None = None, at: str) -> list[str]:
        query = erasure_query(agent_id, subject)
        with self._lock:
            ids = [snapshot.snapshot_id for snapshot in self._matching(query)]
            for snapshot_id in ids:
                del self._snapshots[snapshot_id]
            for snapshot_id, (of_agent, of_subject) in list(self._gone.items()):
                if (of_agent == agent_id) if subject is None else (of_subject == subject):
                    del self._gone[snapshot_id]
                    ids.append(snapshot_id)
            self._erased |= dict.fromkeys(ids, at)
        return ids

    def erased(self) -> list[str]:
        with self._lock:
            return [snapshot_id for _, snapshot_id in sorted((at, one) for one, at in self._erased.items())]

    def subject_key(self) -> bytes:
        return self._key

    def close(self) -> None:
        """Nothing is open."""

    def _matching(self, query: SnapshotQuery) -> list[Snapshot]:
        query = checked(query)
        # Sorting is stable: what has the same time keeps the order in which it came.
        found = sorted(
            (snapshot for snapshot in self._snapshots.values() if _matches(snapshot, query)),
            key=lambda snapshot: snapshot.recorded_at,
        )
        if query.newest_first:
            found.reverse()
        if query.after is not None:
            found = _after(found, *query.after, newest_first=query.newest_first)
        # Copies, as from a disk.
        return [replace(snapshot) for snapshot in found[: query.limit]]


def _after(ordered: list[Snapshot], at: str, snapshot_id: str, *, newest_first: bool) -> list[Snapshot]:
    """Those that come after the named one; if it is gone, those of its moment and what comes after them."""
    for number, one in enumerate(ordered):
        if one.snapshot_id == snapshot_id and one.recorded_at == at:
            return ordered[number + 1 :]
    return [one for one in ordered if (one.recorded_at <= at if newest_first else one.recorded_at >= at)]


def _matches(snapshot: Snapshot, query: SnapshotQuery) -> bool:
    return (
        all(
            getattr(query, field) in (None, getattr(snapshot, field))
            for field in ("category", "agent_id", "subject", "task_type", "success")
        )
        and (query.since is None or snapshot.recorded_at >= query.since)
        and (query.until is None or snapshot.recorded_at < query.until)
    )
