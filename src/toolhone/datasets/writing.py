"""The second pass: the chosen rows go to the files of a dataset, hashed and counted on the way."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from toolhone.datasets.card import card
from toolhone.datasets.figures import Figures
from toolhone.datasets.pairs import pairs_of
from toolhone.json_values import minified
from toolhone.models import Category, JsonObject, content_hash
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.row_json import line, pair_json, read_lines, row_from, row_json

FAILURES = "failures"
PAIRS = "pairs"
CARD = "README.md"
PLACES = (*(split.value for split in Split), FAILURES)
FILES = frozenset({*(f"{place}.jsonl" for place in (*PLACES, PAIRS)), CARD})

_EVERY = 500


@dataclass(slots=True)
class Written:
    """A dataset that is not in the store yet."""

    files: dict[str, Path]
    hashes: dict[str, str]
    members: list[tuple[str, str]]
    figures: Figures
    pairs: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {**{place: self.figures.rows[place] for place in PLACES}, PAIRS: self.pairs}


class HashedFile:
    """A file that is written once, and its hash when it is done."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)

    @property
    def hash(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


@contextmanager
def hashed_file(path: Path) -> Generator[HashedFile]:
    """A new private file; on the disk itself at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield HashedFile(file)
        file.flush()
        os.fsync(file.fileno())


def write_rows(
    rows: Iterable[tuple[str, Row]],
    folder: Path,
    *,
    count_tokens: Callable[[str], int],
    report: Callable[[int], None],
) -> Written:
    """Write each row to the file of its place, and the pairs that they make to theirs."""
    figures = Figures()
    members: list[tuple[str, str]] = []
    paths = {f"{place}.jsonl": folder / f"{place}.jsonl" for place in (*PLACES, PAIRS)}
    with ExitStack() as open_files:
        outputs = {place: open_files.enter_context(hashed_file(paths[f"{place}.jsonl"])) for place in PLACES}
        for number, (place, row) in enumerate(rows):
            if number % _EVERY == 0:
                report(number)
            outputs[place].write(line(row_json(row)))
            text = minified(list(row.messages)) + (minified(list(row.tools)) if row.tools else "")
            figures.add(row, place, count_tokens(text))
            members.append((row.row_id, place))
    written = Written(paths, {f"{place}.jsonl": outputs[place].hash for place in PLACES}, members, figures)
    _write_pairs(written)
    return written


def finished(
    written: Written,
    *,
    category: Category,
    created_at: str,
    request: JsonObject,
    dropped: Mapping[str, int],
    warnings: list[str],
    parent: str | None = None,
) -> Manifest:
    """The manifest of what was written; the card, which shows it, is written too."""
    whole = content_hash(written.hashes)
    stamp = created_at[:19].replace("-", "").replace(":", "").replace("T", "_")
    manifest = Manifest(
        dataset_id=f"{category.value}_{stamp}_{whole.partition(':')[2][:8]}",
        category=category,
        version=0,  # the store knows
        created_at=created_at,
        content_hash=whole,
        parent=parent,
        request=request,
        counts=written.counts,
        files=dict(written.hashes),
        dropped={why: number for why, number in sorted(dropped.items()) if number},
        statistics=written.figures.statistics(warnings),
    )
    path = next(iter(written.files.values())).parent / CARD
    with hashed_file(path) as file:
        file.write(card(manifest).encode("utf-8", "backslashreplace"))
    written.files[CARD] = path
    return replace(manifest, files={**manifest.files, CARD: file.hash})


def _write_pairs(written: Written) -> None:
    train = partial(_rows, written.files["train.jsonl"])
    failures = partial(_rows, written.files["failures.jsonl"])
    in_pairs: set[str] = set()
    with hashed_file(written.files["pairs.jsonl"]) as file:
        for pair, good, failed in pairs_of(train, failures):
            file.write(line(pair_json(pair)))
            in_pairs.update((good, failed))
            written.pairs += 1
    written.members += [(snapshot_id, PAIRS) for snapshot_id in sorted(in_pairs)]
    written.hashes["pairs.jsonl"] = file.hash


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from read_lines(file, row_from)
