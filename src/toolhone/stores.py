"""What the services need kept: one protocol a store, implemented in `storage/`.

All methods are blocking and safe to call from any one thread at a time; services call them through
`anyio.to_thread`. Several processes may use the same data folder at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolhone.models import AuditEvent, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which audit rows; every field that is not `None` must match. Times are ISO 8601 UTC."""

    kinds: Sequence[str] | None = None
    tool: str | None = None
    server: str | None = None
    principal: str | None = None
    success: bool | None = None
    request_id: str | None = None
    call_id: str | None = None
    since: str | None = None
    until: str | None = None
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

    def usage(self) -> dict[str, ToolUsage]:
        """Calls by tool name."""
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
        """Note that these texts are in use; returns those of which both kinds of vectors are there."""
        ...

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        """Write vectors, and the token vectors of those texts that have some, in one transaction."""
        ...

    def close(self) -> None: ...


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

    def close(self) -> None: ...
