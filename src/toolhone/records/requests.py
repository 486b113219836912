"""Requests that carry an idempotency key, and what they were answered."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request that is to take effect once, however often it is sent."""

    principal: str
    """Whose it is. Callers know nothing of each other's keys."""
    key: str
    fingerprint: str
    """A hash of its method, path and body."""
    at: str
    """When it was first sent: UTC, ISO 8601 with microseconds and `+00:00`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAnswer:
    """What such a request was answered when it took effect."""

    status: int
    body: bytes
    erased: bool = False
    """What it said is gone, and with it the rest: it may have quoted somebody who was erased."""


Begun: TypeAlias = tuple[KeyedRequest, FirstAnswer | None]
"""A request that came before, and what it was answered, if its end was seen."""


class KeyedRequestStore(Protocol):
    """Requests by caller and key. All methods block, as in `toolhone.stores`."""

    def begin(self, request: KeyedRequest, *, forget_before: str) -> Begun | None:
        """Keep the request, and return `None`, if its caller has none with this key.

        Else nothing is written, and that one is returned with its answer, if it has one.

        Args:
            forget_before: Those first sent before this moment are forgotten.
        """
        ...

    def answered(self, request: KeyedRequest, answer: FirstAnswer) -> None:
        """Keep the answer of a request that was begun."""
        ...

    def forget(self, request: KeyedRequest) -> None:
        """Forget a request that had no effect."""
        ...

    def erase_answers(self) -> int:
        """Delete what was answered, overwritten, and keep no answer of what is under way; returns how many
        there were. That the requests came stays known."""
        ...

    def drop(self, before: str) -> int:
        """Forget the requests first sent before this moment; returns how many there were."""
        ...

    def close(self) -> None: ...
