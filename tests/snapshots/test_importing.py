"""Importing lines: good ones are kept, bad ones are reported by number, and nothing is lost silently."""

import io
import json
from collections.abc import Callable, Sequence

import pytest

from toolhone.exceptions import StorageError
from toolhone.models import LOCAL_CALLER, Caller, Json, JsonObject
from toolhone.records.snapshots import NewSnapshot
from toolhone.snapshots import importing
from toolhone.snapshots.importing import Imported, collect_lines

Make = Callable[..., JsonObject]


class Kept:
    """Keeps snapshots in a list, until it has so many."""

    def __init__(self, room: int = 10_000) -> None:
        self.snapshots: list[NewSnapshot] = []
        self.batches: list[int] = []
        self._room = room

    async def collect(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> list[str]:
        assert caller is LOCAL_CALLER
        if len(self.snapshots) + len(snapshots) > self._room:
            raise StorageError("The snapshots are not kept: the disk is full.")
        self.snapshots += snapshots
        self.batches.append(len(snapshots))
        return [str(number) for number in range(len(snapshots))]


def lines(*values: Json) -> bytes:
    return b"".join(
        value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n" for value in values
    )


async def imported(
    kept: Kept, stream: bytes, progress: Callable[[Imported], None] = lambda _: None
) -> Imported:
    return await collect_lines(io.BytesIO(stream), kept.collect, caller=LOCAL_CALLER, progress=progress)


async def test_good_lines_are_kept_and_bad_ones_reported_by_number(handed_in: Make) -> None:
    kept = Kept()
    outcome = await imported(
        kept,
        b"\xef\xbb\xbf"
        + lines(
            handed_in(agent_id="first"),
            b"\n",
            b"{broken\n",
            handed_in(performance_score=7),
            b'"\xff\xfe"\n',
            [],
            b'{"agent_id": NaN}\r\n',
            handed_in(agent_id="last"),
        ).rstrip(b"\n"),
    )

    assert [one.agent_id for one in kept.snapshots] == ["first", "last"]
    assert (outcome.lines, outcome.kept, outcome.refused) == (8, 2, 5)
    assert [problem.line for problem in outcome.problems] == [3, 4, 5, 6, 7]
    for problem, says in zip(
        outcome.problems,
        ["not JSON", "'performance_score' is 7", "not UTF-8", "is a JSON object", "NaN"],
        strict=True,
    ):
        assert says in problem.why


async def test_an_empty_stream_is_nothing(handed_in: Make) -> None:
    kept = Kept()
    outcome = await imported(kept, b"")

    assert (outcome, kept.batches) == (Imported(), [])


async def test_it_goes_in_batches_and_says_how_far_it_has_come(
    handed_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 4)
    stream = lines(*[handed_in()] * 10)
    kept = Kept()
    seen: list[tuple[int, int]] = []

    await imported(kept, stream, lambda so_far: seen.append((so_far.read, so_far.kept)))

    line = len(stream) // 10
    assert kept.batches == [4, 4, 2]
    assert seen == [(4 * line, 4), (8 * line, 8), (10 * line, 10)]


async def test_a_store_that_fails_stops_it_and_says_where_to_go_on(
    handed_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    kept = Kept(room=4)

    with pytest.raises(StorageError, match=r"disk is full.* go on from line 6") as caught:
        await imported(kept, lines(handed_in(), b"bad\n", *[handed_in()] * 8))

    assert caught.value.data == {"kept": 4, "next_line": 6}
    assert len(kept.snapshots) == 4


async def test_a_line_without_end_is_passed_over_without_reading_it_whole(
    handed_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_LONGEST_LINE", 1_000)
    kept = Kept()
    stream = lines(handed_in(), b"x" * 1_001 + b"\n", b"y" * 5_000 + b"\n", handed_in(agent_id="after"))

    outcome = await imported(kept, stream)

    assert [one.agent_id for one in kept.snapshots] == ["scanner-1", "after"]
    assert [(problem.line, problem.why) for problem in outcome.problems] == [
        (2, "The line is longer than 1000 bytes."),
        (3, "The line is longer than 1000 bytes."),
    ]
    assert outcome.read == len(stream)


async def test_of_very_many_bad_lines_all_are_counted_and_the_first_named() -> None:
    outcome = await imported(Kept(), b"bad\n" * 1_000)

    assert (outcome.refused, len(outcome.problems)) == (1_000, importing.PROBLEMS_NAMED)
