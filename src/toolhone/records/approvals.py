"""Definitions of downstream tools, who let them be used, and the store of both.

What is approved is one definition, known by its hash: the name, title, description, schemas and annotations
that a server gives for a tool. Another definition of the same tool waits until somebody approves it too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from toolhone.models import JsonObject

Place: TypeAlias = tuple[str, str, str, str]
"""Where a definition stands among others: when it was seen, its server, its tool, its hash."""

FIRST_USE = "first use"
"""Who approved a definition that nobody looked at: it was the first of its tool."""


class ApprovalStatus(StrEnum):
    """Where a definition stands. Only an approved one is used."""

    APPROVED = "approved"
    WAITING = "waiting"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A tool as its server lists it now."""

    tool: str
    """The name under which its server knows it."""
    name: str
    """The name under which callers do, as in `github__create_issue`."""
    hash: str
    """Of the definition."""
    definition: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One definition of one tool, and what was decided about it."""

    server: str
    tool: str
    name: str
    hash: str
    status: ApprovalStatus
    seen_at: str
    """When a server first offered it. UTC, ISO 8601 with microseconds and `+00:00`."""
    decided_at: str | None = None
    decided_by: str | None = None
    """A principal, or `FIRST_USE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A definition that is not used, and what it would take the place of."""

    approval: Approval
    before: Approval | None
    """The definition of the same tool that was approved last."""


class ApprovalStore(Protocol):
    """Definitions by server, tool and hash, shared by processes. All methods block."""

    def of_server(self, server: str) -> Sequence[Approval]:
        """All that is known of a server's tools."""
        ...

    def note(
        self, server: str, offered: Sequence[Offered], *, first_use: bool, at: str, most_tools: int
    ) -> Sequence[Approval]:
        """Keep what a server offers and was not known yet; returns what of that waits.

        Of a tool that was never seen the definition is approved, with `first_use`; every other waits, in
        place of one of the same tool that waited. One that is known takes the place of one that waits.
        Of a server with more than `most_tools` tools nothing is kept of further ones.
        """
        ...

    def find(self, name: str, *, status: ApprovalStatus | None = None) -> Sequence[Approval]:
        """Those of a name, the last seen first."""
        ...

    def held_back(
        self, status: ApprovalStatus, *, limit: int | None = None, after: Place | None = None
    ) -> Sequence[HeldBack]:
        """Those of a status, the last seen first, from behind a place on."""
        ...

    def count(self, status: ApprovalStatus) -> int:
        """How many there are of a status."""
        ...

    def definitions(self, hashes: Sequence[str]) -> Mapping[str, JsonObject]:
        """The definitions themselves."""
        ...

    def decide(self, approval: Approval, status: ApprovalStatus, *, at: str, by: str) -> bool:
        """Change where a definition stands; whether it was still there and stood as given."""
        ...

    def version(self) -> int:
        """Another number after another process has written."""
        ...

    def close(self) -> None: ...
