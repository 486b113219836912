"""Receipts: what toolhone put into each caller's context, against every schema in JSON. In o200k tokens.

What a context holds stays in it, so the listing and all schemas count once a caller, and each request with
its answer counts once. Arguments and results of tools are told apart: the caller wanted them, with or
without toolhone, so only what stands around them is what toolhone cost.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from toolhone.models import JsonObject

Operation = Literal["find_tools", "describe_tools", "call_read_tools", "call_tools", "read_result"]

OPERATIONS: tuple[Operation, ...] = get_args(Operation)

MOST_CALLERS = 1_000
"""Callers with a receipt of their own, newest first; older ones are counted together."""


@dataclass(slots=True)
class Exchanges:
    """Requests of one kind and their answers."""

    count: int = 0
    requests: int = 0
    """Tokens of the arguments, which the model wrote."""
    answers: int = 0
    """Tokens of the text that the model read."""
    legends: int = 0
    """Of the answers: what explains the form of signatures, and what they share."""
    results: int = 0
    """Of requests and answers: arguments and results of tools."""

    def add(self, other: "Exchanges") -> None:
        for name in (part.name for part in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def sent(self) -> int:
        """What toolhone cost; a result that is read as a table may take less than it would as JSON."""
        return max(0, self.requests + self.answers - self.results)

    def as_json(self) -> JsonObject:
        return {
            "count": self.count,
            "request_tokens": self.requests,
            "answer_tokens": self.answers,
            "of_which_legend": self.legends,
            "of_which_results": self.results,
        }


@dataclass(slots=True)
class Receipt:
    """Of one caller, or of several together."""

    listing: int = 0
    """Our own tools/list, as it was last asked for."""
    all_schemas: int = 0
    """Every tool's name, description and input schema as minified JSON, as of the last selection."""
    exchanges: dict[Operation, Exchanges] = field(
        default_factory=lambda: {operation: Exchanges() for operation in OPERATIONS}
    )

    @property
    def sent(self) -> int:
        return self.listing + sum(exchange.sent for exchange in self.exchanges.values())

    @property
    def break_even(self) -> int | None:
        """With so many selections like these, toolhone would have cost as much as all schemas in JSON.

        A selection is counted with what followed it. `None`: nothing was selected yet.
        """
        selections = self.exchanges["find_tools"].count
        if not selections or self.sent <= self.listing:
            return None
        return max(0, int((self.all_schemas - self.listing) * selections / (self.sent - self.listing)))

    def add(self, other: "Receipt") -> None:
        self.listing += other.listing
        self.all_schemas += other.all_schemas
        for operation, exchanges in other.exchanges.items():
            self.exchanges[operation].add(exchanges)

    def as_json(self) -> JsonObject:
        return {
            "listing": self.listing,
            **{operation: exchanges.as_json() for operation, exchanges in self.exchanges.items()},
            "tokens_sent": self.sent,
            "tokens_of_all_schemas": self.all_schemas,
            "tokens_saved": self.all_schemas - self.sent,
            "break_even_selections": self.break_even,
        }


@dataclass(frozen=True, slots=True)
class Overhead:
    """What toolhone cost a caller besides one answer, and when it would be too much."""

    listing: int
    follow_ups: int
    """Of all requests but those of find_tools, and their answers, without arguments and results of tools."""
    break_even: int
    """With so many selections like those so far, toolhone would have cost as much as all schemas in JSON."""


class Receipts:
    """By principal, since this process started. `tokens_saved` is negative where toolhone cost more."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        """Keep a receipt for each caller.

        Args:
            count_tokens: Counts listings when a receipt is read, not when they are given: a client that only
                asks what there is should not cost the memory of the vocabulary.
        """
        self._count = count_tokens
        self._by_principal: OrderedDict[str, Receipt] = OrderedDict()
        self._older = Receipt()
        self._listings: dict[str, str] = {}

    def listed(self, principal: str, listing: str) -> None:
        """The caller got this listing of ours."""
        self._of(principal)
        self._listings[principal] = listing

    def exchanged(self, principal: str, operation: Operation, exchange: Exchanges) -> None:
        """The caller asked something and was answered."""
        self._of(principal).exchanges[operation].add(exchange)

    def compared(self, principal: str, all_schemas: int) -> None:
        """So many tokens would have told this caller about every tool there is now."""
        self._of(principal).all_schemas = all_schemas

    def overhead(self, principal: str, *, answer: int) -> Overhead:
        """What there is besides a selection's answer of so many tokens, which is not on the receipt yet."""
        so_far = Receipt()
        so_far.add(self.of(principal))
        so_far.exchanges["find_tools"].add(Exchanges(count=1, answers=answer))
        return Overhead(
            listing=so_far.listing,
            follow_ups=sum(
                exchanges.sent for name, exchanges in so_far.exchanges.items() if name != "find_tools"
            ),
            break_even=so_far.break_even or 0,
        )

    def of(self, principal: str) -> Receipt:
        """What this caller got so far."""
        self._count_listings()
        return self._by_principal.get(principal) or Receipt()

    def total(self) -> Receipt:
        """Of all callers."""
        self._count_listings()
        total = Receipt()
        for receipt in (self._older, *self._by_principal.values()):
            total.add(receipt)
        return total

    def _count_listings(self) -> None:
        counted: dict[str, int] = {}
        for principal, listing in self._listings.items():
            if listing not in counted:
                counted[listing] = self._count(listing)
            self._of(principal).listing = counted[listing]
        self._listings.clear()

    def _of(self, principal: str) -> Receipt:
        if principal not in self._by_principal:
            self._by_principal[principal] = Receipt()
            if len(self._by_principal) > MOST_CALLERS:
                oldest, receipt = self._by_principal.popitem(last=False)
                if (listing := self._listings.pop(oldest, None)) is not None:
                    receipt.listing = self._count(listing)
                self._older.add(receipt)
        self._by_principal.move_to_end(principal)
        return self._by_principal[principal]
