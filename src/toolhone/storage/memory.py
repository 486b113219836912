"""The stores in memory: for tests, and for library use that should leave nothing behind."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.models import AuditEvent, EventKind, Json, JsonObject
from toolhone.records.figures import AuditFact
from toolhone.storage.audit_query import checked, matches
from toolhone.storage.chain import GENESIS, AuditRow, ChainCheck, exported, seal, unsealed
from toolhone.storage.learning import (
    KEPT,
    check_artifact,
    expired_version,
    nothing_to_roll_back,
    unknown_version,
)
from toolhone.storage.results import TOMBSTONE_SECONDS, check_size, expired, made_room, unknown
from toolhone.stores import (
    RECENT_CALLS,
    RECENT_SECONDS,
    AuditQuery,
    AuditVerification,
    LearnedVersion,
    Promotion,
    StoredCatalog,
    StoredResult,
    ToolUsage,
)


class MemoryAuditStore:
    """The same chain as on disk, over a list."""

    def __init__(self) -> None:
        self._rows: list[AuditRow] = []
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def append(self, events: Sequence[AuditEvent]) -> None:
        rows = [unsealed(event) for event in events]
        with self._lock:
            self._append(rows)

    def query(self, query: AuditQuery) -> list[JsonObject]:
        found = self._matching(query)
        return [exported(row) for row in (reversed(found) if query.newest_first else found)]

    def export(self, query: AuditQuery) -> Iterator[JsonObject]:
        yield from map(exported, self._matching(query))

    def verify(self, *, remembered: str | None = None) -> AuditVerification:
        check = ChainCheck(remembered=remembered)
        with self._lock:
            rows = list(self._rows)
        for row in rows:
            check.add(row)
        return check.finish((rows[-1]["seq"], rows[-1]["row_hash"]) if rows else (0, GENESIS))

    def erase(self, event_ids: Sequence[str], *, record: AuditEvent) -> int:
        wanted = set(event_ids)
        row = unsealed(record)
        erased = 0
        with self._lock:
            for index, kept in enumerate(self._rows):
                if (
                    kept["event_id"] in wanted
                    and kept["payload"] is not None
                    and kept["kind"] != EventKind.ERASURE
                ):
                    self._rows[index] = {**kept, "payload": None, "salt": None}
                    erased += 1
            if erased:
                self._append([row])
        return erased

    def aged(self, before: str, *, after: int, limit: int) -> tuple[list[str], int | None]:
        found = [
            row
            for row in self._matching(AuditQuery(until=before, after=after, limit=None, newest_first=False))
            if row["payload"] is not None and row["kind"] != EventKind.ERASURE
        ][:limit]
        return [row["event_id"] for row in found], found[-1]["seq"] if found else None

    def usage(self) -> dict[str, ToolUsage]:
        with self._lock:
            calls = [row for row in self._rows if row["kind"] == EventKind.CALL and row["tool"] is not None]
        by_tool: dict[str, list[AuditRow]] = {}
        for row in calls:
            by_tool.setdefault(row["tool"], []).append(row)
        return {
            tool: ToolUsage(
                calls=len(rows),
                failures=sum(row["success"] is False for row in rows),
                mean_ms=_mean(rows, "execution_time_ms"),
                mean_tokens=_mean(rows, "tokens_used"),
                recent=_recent(rows),
            )
            for tool, rows in by_tool.items()
        }

    def calls(self) -> int:
        with self._lock:
            return sum(row["kind"] == EventKind.CALL for row in self._rows)

    def facts(self, after: int, limit: int) -> list[AuditFact]:
        with self._lock:
            rows = [row for row in self._rows if row["seq"] > after][:limit]
        return [_fact(row) for row in rows]

    def check_writable(self) -> None:
        """It always is."""

    def close(self) -> None:
        """Nothing is open."""

    def _append(self, rows: Sequence[AuditRow]) -> None:
        ids = [row["event_id"] for row in rows]
        if len({*ids, *self._ids}) < len(ids) + len(self._ids):
            raise InvalidRequestError("An audit event cannot be recorded: its id is taken.")
        for row in rows:
            previous = self._rows[-1]["row_hash"] if self._rows else GENESIS
            self._rows.append(seal(row, seq=len(self._rows) + 1, previous_hash=previous))
        self._ids.update(ids)

    def _matching(self, query: AuditQuery) -> list[AuditRow]:
        """The rows that the query means, oldest first."""
        query = checked(query)
        with self._lock:
            rows = [row for row in self._rows if matches(row, query)]
        if query.limit is None:
            return rows
        return rows[max(0, len(rows) - query.limit) :] if query.newest_first else rows[: query.limit]


class MemoryCatalogStore:
    """Catalogs in a dictionary."""

    def __init__(self) -> None:
        self._catalogs: dict[str, StoredCatalog] = {}

    def load(self) -> dict[str, StoredCatalog]:
        return dict(sorted(self._catalogs.items()))

    def save(self, catalog: StoredCatalog) -> None:
        self._catalogs[catalog.server] = replace(catalog, tools=tuple(catalog.tools))

    def delete(self, server: str) -> None:
        self._catalogs.pop(server, None)

    def close(self) -> None:
        """Nothing is open."""


class MemoryVectorStore:
    """Vectors in a dictionary."""

    def __init__(self) -> None:
        self._vectors: dict[tuple[str, str], bytes] = {}
        self._tokens: dict[tuple[str, str], bytes] = {}

    def get(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        return _of_model(self._vectors, model, text_hashes)

    def tokens(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        return _of_model(self._tokens, model, text_hashes)

    def keep(self, model: str, text_hashes: Sequence[str]) -> set[str]:
        return set(self.tokens(model, text_hashes))

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        self._vectors.update({(model, text_hash): vector for text_hash, vector in vectors.items()})
        for text_hash, rows in tokens.items():
            if rows:
                self._tokens[model, text_hash] = rows
            else:
                self._tokens.pop((model, text_hash), None)

    def close(self) -> None:
        """Nothing is open."""


class MemoryResultStore:
    """Results in a dictionary; one that is gone stays without its body, as on disk."""

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._results: dict[str, StoredResult] = {}
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def put(self, result: StoredResult) -> None:
        check_size(len(result.body), self._max_bytes)
        with self._lock:
            if result.handle in self._results:
                raise StorageError(f"A result is already stored under the handle {result.handle!r}.")
            self._drop_expired()
            kept = [stored for handle, stored in self._results.items() if handle not in self._gone]
            size = len(result.body) + sum(len(stored.body) for stored in kept)
            for stored in sorted(kept, key=lambda stored: stored.created_at):
                if size <= self._max_bytes:
                    break
                self._drop(stored)
                size -= len(stored.body)
            self._results[result.handle] = result

    def get(self, handle: str, principal: str) -> StoredResult:
        with self._lock:
            result = self._results.get(handle)
            if result is None or result.principal != principal:
                raise unknown(handle)
            if result.expires_at <= self._clock():
                raise expired(handle)
            if handle in self._gone:
                raise made_room(handle)
            return result

    def prune(self) -> int:
        with self._lock:
            buried_before = self._clock() - TOMBSTONE_SECONDS
            for result in [kept for kept in self._results.values() if kept.expires_at <= buried_before]:
                del self._results[result.handle]
                self._gone.discard(result.handle)
            return self._drop_expired()

    def erase(self, principal: str) -> int:
        with self._lock:
            handles = [handle for handle, kept in self._results.items() if kept.principal == principal]
            erased = len(set(handles) - self._gone)
            for handle in handles:
                del self._results[handle]
                self._gone.discard(handle)
            return erased

    def close(self) -> None:
        """Nothing is open."""

    def _drop_expired(self) -> int:
        now = self._clock()
        dropped = [
            result
            for handle, result in self._results.items()
            if result.expires_at <= now and handle not in self._gone
        ]
        for result in dropped:
            self._drop(result)
        return len(dropped)

    def _drop(self, result: StoredResult) -> None:
        self._results[result.handle] = replace(result, body=b"")
        self._gone.add(result.handle)


def _recent(rows: Sequence[AuditRow]) -> tuple[tuple[float, bool], ...]:
    since = time.time() - RECENT_SECONDS
    ended = [
        (datetime.fromisoformat(row["timestamp"]).timestamp(), row["success"])
        for row in rows
        if row["success"] is not None and row["error_code"] != "cancelled"
    ]
    return tuple((moment, worked) for moment, worked in ended if moment >= since)[-RECENT_CALLS:]


@dataclass(frozen=True, slots=True)
class _Served:
    promotion: Promotion
    back_to: int | None


class MemoryLearningStore:
    """Versions in a dictionary."""

    def __init__(self) -> None:
        self._versions: dict[str, LearnedVersion] = {}
        self._artifacts: dict[str, bytes] = {}
        self._served: list[_Served] = []
        self._vectors: dict[tuple[str, str], bytes] = {}

    def add(self, version: LearnedVersion, artifact: bytes) -> None:
        check_artifact(version, artifact)
        kept = self._versions.setdefault(version.version, version)
        self._versions[version.version] = replace(kept, expired=version.expired)
        self._artifacts[version.version] = artifact
        served = {served.promotion.version for served in self._served}
        for old in list(self._versions)[:-KEPT]:
            if old not in served:
                del self._versions[old], self._artifacts[old]

    def versions(self) -> list[LearnedVersion]:
        return list(self._versions.values())[::-1]

    def artifact(self, version: str) -> bytes:
        if version not in self._artifacts:
            raise unknown_version(version)
        return self._artifacts[version]

    def active(self) -> str | None:
        return self._served[-1].promotion.version if self._served else None

    def promotions(self) -> list[Promotion]:
        return [served.promotion for served in reversed(self._served)]

    def promote(self, version: str | None, *, at: str, why: str) -> None:
        if version is not None:
            if version not in self._versions:
                raise unknown_version(version)
            if (expired := self._versions[version].expired) is not None:
                raise expired_version(version, expired)
        if version != self.active():
            back_to = len(self._served) - 1 if self._served else None
            self._served.append(_Served(Promotion(version=version, at=at, why=why), back_to))

    def rollback(self, *, at: str) -> str | None:
        return self._go_back(at, "rolled back")

    def expire(self, version: str, why: str, *, at: str) -> None:
        if version in self._versions and self._versions[version].expired is None:
            self._versions[version] = replace(self._versions[version], expired=why)
        if self.active() == version:
            self._go_back(at, "expired")

    def task_vectors(self, encoder: str, tasks: Sequence[str]) -> dict[str, bytes]:
        return {task: self._vectors[encoder, task] for task in tasks if (encoder, task) in self._vectors}

    def keep_task_vectors(self, encoder: str, vectors: Mapping[str, bytes], *, only: Sequence[str]) -> None:
        self._vectors.update({(encoder, task): vector for task, vector in vectors.items()})
        kept = set(only)
        self._vectors = {key: vector for key, vector in self._vectors.items() if key[1] in kept}

    def close(self) -> None:
        """Nothing is open."""

    def _go_back(self, at: str, why: str) -> str | None:
        active = self.active()
        if active is None:
            raise nothing_to_roll_back()
        number = self._served[-1].back_to
        version = None
        while number is not None:
            version, number = self._served[number].promotion.version, self._served[number].back_to
            if version is None or self._versions[version].expired is None:
                break
            version = None
        promotion = Promotion(version=version, at=at, why=f"{active} was {why}")
        self._served.append(_Served(promotion, number))
        return version


def _fact(row: AuditRow) -> AuditFact:
    payload: JsonObject = json.loads(row["payload"] or "{}")
    of_all = payload.get("tokens_of_all") if row["kind"] == EventKind.SELECTION else None
    of_available = payload.get("tokens_of_available", of_all) if of_all is not None else None
    return AuditFact._make([*(row[name] for name in AuditFact._fields[:-2]), of_all, of_available])


def _mean(rows: Sequence[AuditRow], column: str) -> float:
    values: list[Json] = [row[column] for row in rows if row[column] is not None]
    return fmean(values) if values else 0.0


def _of_model(
    values: Mapping[tuple[str, str], bytes], model: str, text_hashes: Sequence[str]
) -> dict[str, bytes]:
    keys = ((model, text_hash) for text_hash in text_hashes)
    return {key[1]: values[key] for key in keys if key in values}
