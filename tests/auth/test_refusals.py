"""Refusals on record."""

from toolhone.auth.refusals import MOST_KEYS, WINDOW, Refusals
from toolhone.exceptions import NotAuthenticatedError, RateLimitedError, StorageError
from toolhone.models import AuditEvent, Caller, EventKind


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Book:
    """Refusals and what was recorded of them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.rows: list[AuditEvent] = []
        self.broken = False
        self.refusals = Refusals(self._record, clock=self.clock)

    async def _record(self, event: AuditEvent) -> None:
        if self.broken:
            raise StorageError("The disk is full.")
        self.rows.append(event)

    async def refuse(self, who: str, code: str = NotAuthenticatedError.code) -> None:
        await self.refusals.note(
            code,
            Caller(principal=who),
            request_id="r",
            method="POST",
            path="/mcp" + "x" * 1_000,
        )


async def test_the_first_of_an_address_is_on_record_at_once_and_the_others_as_a_number() -> None:
    book = Book()
    for _ in range(1_000):
        await book.refuse("address:a")
    assert [row.payload["what"] for row in book.rows] == ["refused"]
    assert (book.rows[0].kind, book.rows[0].error_code) == (EventKind.ACCESS, "not_authenticated")
    assert len(book.rows[0].payload["path"]) == 200

    book.clock.now += WINDOW
    await book.refusals.flush()
    assert [row.payload.get("count") for row in book.rows] == [None, 999]


async def test_addresses_and_reasons_are_told_apart() -> None:
    book = Book()
    await book.refuse("address:a")
    await book.refuse("address:b")
    await book.refuse("address:a", RateLimitedError.code)
    assert [(row.caller.principal, row.error_code) for row in book.rows] == [
        ("address:a", "not_authenticated"),
        ("address:b", "not_authenticated"),
        ("address:a", "rate_limited"),
    ]


async def test_many_addresses_do_not_make_many_rows() -> None:
    book = Book()
    for number in range(MOST_KEYS + 500):
        await book.refuse(f"address:{number}")
    assert len(book.rows) == MOST_KEYS + 1
    await book.refusals.flush(all_of_them=True)
    assert book.rows[-1].payload["count"] == 499


async def test_a_refusal_that_cannot_be_recorded_is_one_all_the_same() -> None:
    book = Book()
    book.broken = True
    await book.refuse("address:a")
    assert book.rows == []
