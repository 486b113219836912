"""What the services need kept: one protocol a store, implemented in `storage/`.

All methods are blocking and safe to call from any one thread at a time; services call them through
`anyio.to_thread`. Several processes may use the same data folder at once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolhone.models import AuditEvent, JsonObject
from toolhone.records.figures import AuditFact


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which audit rows; every field that is not `None` must match. Times are ISO 8601 UTC."""

    kinds: Sequence[str] | None = None
    tool: str | None = None
    server: str | None = None
    principal: str | None = None
    success: bool | None = None
    error_code: str | None = None
    request_id: str | None = None
    call_id: str | None = None
    since: str | None = None
    until: str | None = None
    after: int | None = None
    """Only rows after the one of this `seq`; `before` likewise. So pages join, whatever is added between."""
    before: int | None = None
    limit: int | None = 50
    newest_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerification:
    """Outcome of checking the chain. It is whole if there are no problems."""

    rows: int
    erased: int
    head: str | None
    """Hash of the last row; keep it elsewhere to detect a cut-off tail."""
    problems: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.problems


RECENT_CALLS = 10
"""How many of a tool's last calls tell how it does now."""

RECENT_SECONDS = 3_600.0
"""How long they tell it: what failed longer ago is given another chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUsage:
    """What the audit knows about one tool's calls."""

    calls: int
    failures: int
    mean_ms: float
    mean_tokens: float
    recent: tuple[tuple[float, bool], ...] = ()
    """When its last calls ended, in seconds since the epoch, and whether they worked, oldest first.

    At most `RECENT_CALLS`, of the last `RECENT_SECONDS`, without those that were cancelled.
    """


class AuditStore(Protocol):
    """Append-only, hash-chained record of everything that happened."""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Write the events, already redacted, in one transaction that is durable on return."""
        ...

    def query(self, query: AuditQuery) -> list[JsonObject]:
        """The matching rows as objects of the export form (`storage/audit.py` documents it)."""
        ...

    def export(self, query: AuditQuery) -> Iterator[JsonObject]:
        """The same rows, streamed, oldest first."""
        ...

    def verify(self, *, remembered: str | None = None) -> AuditVerification:
        """Check the whole chain; a `remembered` head hash must still be in it."""
        ...

    def erase(self, event_ids: Sequence[str], *, record: AuditEvent) -> int:
        """Remove the payloads of these rows, keeping their hashes; returns how many had one.

        `record`, an erasure event whose payload names the `event_ids`, is appended in the same
        transaction, if any row had a payload. Erasure rows themselves keep theirs.
        """
        ...

    def aged(self, before: str, *, after: int, limit: int) -> tuple[list[str], int | None]:
        """Event ids of the first rows after this `seq` that were recorded before a moment and still hold a
        payload, erasures apart; and the `seq` of the last of them, `None` if there are no more."""
        ...

    def usage(self) -> dict[str, ToolUsage]:
        """Calls by tool name."""
        ...

    def calls(self) -> int:
        """How many calls there are; takes an eighth of the time of `usage`."""
        ...

    def facts(self, after: int, limit: int) -> Sequence[AuditFact]:
        """What figures are made of, of the rows after this `seq`, oldest first."""
        ...

    def check_writable(self) -> None:
        """Raise StorageError if nothing could be appended now; nothing is written."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCatalog:
    """The last good tool listing of one downstream server, in MCP wire form."""

    server: str
    fingerprint: str
    """Hash of the configuration entry it was listed under; another entry makes it stale."""
    content_hash: str
    tools: Sequence[JsonObject]
    listed_at: str


class CatalogStore(Protocol):
    def load(self) -> dict[str, StoredCatalog]: ...

    def save(self, catalog: StoredCatalog) -> None: ...

    def delete(self, server: str) -> None: ...

    def close(self) -> None: ...


class VectorStore(Protocol):
    """The vectors of texts by model and text hash, and apart from them those of their tokens.

    A vector is little-endian float32 bytes, token vectors are int8 bytes row by row.
    """

    def get(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]: ...

    def tokens(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        """The token vectors of those texts that have some."""
        ...

    def keep(self, model: str, text_hashes: Sequence[str]) -> set[str]:
        """Note that these texts are in use; returns those that have token vectors."""
        ...

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        """Write vectors, and the token vectors of those texts that have some, in one transaction.

        Empty token vectors take away what was there.
        """
        ...

    def close(self) -> None: ...


class IndexStore(Protocol):
    """Index files: named blocks of bytes each, derived from other data and made again if need be.

    Blocks are mapped, not read, and stay usable as long as anybody holds them.
    """

    def names(self) -> list[str]:
        """The files, the last used first."""
        ...

    def open(self, name: str, only: Collection[str] | None = None) -> dict[str, memoryview]:
        """The blocks of a file, or `only` some of them, each checked against its hash.

        Raises:
            DamagedStorageError: It is damaged or something else; it is removed.
            StorageError: It cannot be read, perhaps because another process has removed it.
        """
        ...

    def save(self, name: str, blocks: Mapping[str, Iterable[memoryview]], *, instead_of: str | None) -> None:
        """Write a file, whole or not at all, in place of another one and of the oldest, if they are many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """One whole tool result behind a handle. Not redacted."""

    handle: str
    principal: str
    tool: str
    call_id: str
    created_at: float
    """Seconds since the epoch."""
    expires_at: float
    media: str
    """`json` if `body` is a JSON value, else `text`."""
    body: bytes


class ResultStore(Protocol):
    """Whole results, apart from the audit, readable by this user alone, emptied by age and size."""

    def put(self, result: StoredResult) -> None:
        """Keep it; the oldest go first when the size cap is passed."""
        ...

    def get(self, handle: str, principal: str) -> StoredResult:
        """Raises UnknownHandleError for an unknown or foreign handle, ExpiredHandleError if too old."""
        ...

    def prune(self) -> int:
        """Drop what has expired; returns how many."""
        ...

    def erase(self, principal: str) -> int:
        """Delete all of this principal, overwritten on the disk, without tombstones; returns how many."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedVersion:
    """What is known of one learned ranking beside its content."""

    version: str
    """The beginning of `artifact_hash`: the same content is the same version."""
    created_at: str
    encoder: str
    """Whose vectors it was learned from; with another encoder it is of no use."""
    artifact_hash: str
    data_hash: str
    """Of the lessons it was learned from and judged by."""
    until: str
    """The time of the newest request it learned from."""
    parent: str | None
    """What was served when it was learned; `None` is the ranking without use."""
    figures: JsonObject
    """How it was learned and how it was judged."""
    expired: str | None = None
    """Why it is of no use any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What began to be served, when and why; `None` is the ranking without use."""

    version: str | None
    at: str
    why: str


class LearningStore(Protocol):
    """Versions of the learned ranking, which of them is served, and the vectors of tasks to learn from."""

    def add(self, version: LearnedVersion, artifact: bytes) -> None:
        """Keep it. Of those that were never served the oldest go when there are too many.

        A version that is added again stays as it was, but for whether it has expired.
        """
        ...

    def versions(self) -> list[LearnedVersion]:
        """All that are kept, the newest first."""
        ...

    def artifact(self, version: str) -> bytes:
        """The content, checked against its hash.

        Raises:
            InvalidRequestError: There is no such version.
            DamagedStorageError: It is not what was stored.
        """
        ...

    def active(self) -> str | None:
        """The version that is served; `None` is the ranking without use."""
        ...

    def promotions(self) -> list[Promotion]:
        """What was served one after the other, the newest first; empty if nothing was ever promoted."""
        ...

    def promote(self, version: str | None, *, at: str, why: str) -> None:
        """Serve this version from now on.

        Raises:
            InvalidRequestError: There is no such version, or it has expired.
        """
        ...

    def rollback(self, *, at: str) -> str | None:
        """Serve again what was served before the present version was promoted; returns it.

        Versions that have expired meanwhile are passed over. Going back again goes further back.

        Raises:
            InvalidRequestError: The ranking without use is served already.
        """
        ...

    def expire(self, version: str, why: str, *, at: str) -> None:
        """Never serve it again; if it is served, what was served before takes its place."""
        ...

    def task_vectors(self, encoder: str, tasks: Sequence[str]) -> dict[str, bytes]:
        """The vectors of these tasks, by the hash of their redacted text; int8."""
        ...

    def keep_task_vectors(self, encoder: str, vectors: Mapping[str, bytes], *, only: Sequence[str]) -> None:
        """Add vectors; those of all other tasks than `only`, of whatever encoder, go."""
        ...

    def close(self) -> None: ...
