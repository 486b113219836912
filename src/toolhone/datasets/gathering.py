"""The first pass: snapshots become rows in a file, and of each row a few numbers stay in memory."""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import IO

from toolhone.datasets.chat import NotAChat, row_of
from toolhone.datasets.filter import BELOW, Use, use_of
from toolhone.datasets.near_duplicates import Texts
from toolhone.datasets.sampling import rank
from toolhone.datasets.texts import answer_text, conversation_digests, exact_answer, request_text
from toolhone.json_values import parse_json
from toolhone.models import JsonObject
from toolhone.records.datasets import Row
from toolhone.records.row_json import line, row_from, row_json
from toolhone.records.snapshots import Snapshot

ERASED = "erased meanwhile"

_EVERY = 500
"""Snapshots between two reports."""

Report = Callable[[int], None]
"""Receives how many snapshots were read. May raise, to end it."""


@dataclass(slots=True)
class Gathered:
    """The rows, by number in order of time, as columns; and what was left out."""

    file: IO[bytes]
    """A row a line, in no group yet."""
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    ranks: "array[int]" = field(default_factory=lambda: array("Q"))
    task_types: "array[int]" = field(default_factory=lambda: array("l"))
    requests: "array[int]" = field(default_factory=lambda: array("l"))
    answers: "array[int]" = field(default_factory=lambda: array("l"))
    exact: bytearray = field(default_factory=bytearray)
    failed: bytearray = field(default_factory=bytearray)
    names: list[str] = field(default_factory=list[str])
    """Of task types, by number."""
    request_texts: Texts = field(default_factory=Texts)
    answer_texts: Texts = field(default_factory=Texts)
    continued: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Requests of which the second goes on where the first was answered."""
    dropped: Counter[str] = field(default_factory=Counter[str])
    read: int = 0

    def __len__(self) -> int:
        return len(self.offsets)

    def row(self, number: int) -> Row:
        """The row of this number, from the file."""
        self.file.seek(self.offsets[number])
        value: JsonObject = parse_json(self.file.readline().decode())
        return row_from(value)


def gather(
    snapshots: Iterable[Snapshot],
    file: IO[bytes],
    *,
    quality_threshold: float,
    erased: Collection[str],
    report: Report,
) -> Gathered:
    """Go through the snapshots, oldest first, once."""
    gathered = Gathered(file)
    types: dict[str, int] = {}
    conversations: dict[bytes, int] = {}
    for snapshot in snapshots:
        if gathered.read % _EVERY == 0:
            report(gathered.read)
        gathered.read += 1
        use = use_of(snapshot, quality_threshold)
        if use is Use.NONE or snapshot.snapshot_id in erased:
            gathered.dropped[BELOW if use is Use.NONE else ERASED] += 1
            continue
        try:
            row = row_of(snapshot)
        except NotAChat as reason:
            gathered.dropped[str(reason)] += 1
            continue
        number = types.setdefault(row.task_type, len(types))
        _keep(gathered, row, number, failed=use is Use.FAILURE, conversations=conversations)
    gathered.names = list(types)
    report(gathered.read)
    return gathered


def _keep(
    gathered: Gathered, row: Row, task_type: int, *, failed: bool, conversations: dict[bytes, int]
) -> None:
    request = gathered.request_texts.add(request_text(row.messages))
    exact = exact_answer(row.messages)
    # The mark keeps data apart from prose of the same spelling.
    answer = gathered.answer_texts.add(answer_text(row.messages) if exact is None else f"data {exact}")
    *before, whole = conversation_digests(row.messages)
    gathered.continued += [(conversations[one], request) for one in before if one in conversations]
    conversations.setdefault(whole, request)
    gathered.offsets.append(gathered.file.tell())
    gathered.file.write(line(row_json(row)))
    gathered.scores.append(row.score)
    gathered.ranks.append(rank(row.row_id))
    gathered.task_types.append(task_type)
    gathered.requests.append(request)
    gathered.answers.append(answer)
    gathered.exact.append(exact is not None)
    gathered.failed.append(failed)
