"""A dataset in the formats that providers and libraries take.

`openai-chat`: JSON lines for supervised fine-tuning; `azure-chat`: the same behind a byte order mark, as
Azure asks for. `openai-dpo`: preference pairs, from rows that are trained on. `bedrock-anthropic`: what
Amazon Bedrock takes for Anthropic's models. `parquet`: a folder that `datasets.load_dataset` opens.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from toolhone.datasets.checks import BOM, Problem, check_bedrock, check_chat, check_dpo
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.datasets import Manifest, Pair, Row, Split
from toolhone.records.row_json import line
from toolhone.records.stores import DatasetStore

NOTE = "export.json"


class Unfit(ValueError):
    """A row cannot be written in a format; the message is the reason."""


def chat_line(row: Row) -> JsonObject:
    """A row for OpenAI's supervised fine-tuning: only the turns of the answer have the weight 1."""
    told: JsonObject = {"messages": [_weighted(message) for message in row.messages]}
    if row.tools:
        told["tools"] = list(row.tools)
        told["parallel_tool_calls"] = _in_parallel(row.messages)
    return told


def dpo_line(pair: Pair) -> JsonObject:
    """A pair for OpenAI's preference fine-tuning."""
    given: JsonObject = {"messages": [_unweighted(message) for message in pair.request]}
    if pair.tools:
        given["tools"] = list(pair.tools)
        given["parallel_tool_calls"] = _in_parallel([*pair.preferred, *pair.rejected])
    return {
        "input": given,
        "preferred_output": [_unweighted(message) for message in pair.preferred],
        "non_preferred_output": [_unweighted(message) for message in pair.rejected],
    }


def bedrock_line(row: Row) -> JsonObject:
    """A row for Amazon Bedrock's fine-tuning of Anthropic's models: text, turn by turn.

    Raises:
        Unfit: It has calls of tools, for which the format has no place, or its turns do not alternate.
    """
    system = [
        str(message["content"]) for message in row.messages if message["role"] in {"system", "developer"}
    ]
    messages: list[JsonObject] = []
    for message in row.messages:
        if message["role"] == "tool" or message.get("tool_calls"):
            raise Unfit("calls of tools have no place in this format")
        if message["role"] in {"user", "assistant"}:
            messages.append({"role": message["role"], "content": message["content"]})
    roles = [message["role"] for message in messages]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise Unfit("user and assistant do not take turns")
    if not all(str(message["content"]).strip() for message in messages):
        raise Unfit("a message is empty")
    told: JsonObject = {"system": "\n\n".join(system)} if system else {}
    return {**told, "messages": messages}


@dataclass(frozen=True, slots=True)
class Format:
    """One format of JSON lines."""

    name: str
    splits: tuple[Split, ...]
    """Whose rows are written, to a file each; none for pairs."""
    lines: Callable[[Row], JsonObject] | None
    begin: bytes
    problems: Callable[[Path, Callable[[str], int], int], list[Problem]]
    """Checks a file: path, count of tokens, least number of rows."""
    least: int


def _chat_check(bom: bool) -> Callable[[Path, Callable[[str], int], int], list[Problem]]:
    def check(path: Path, count: Callable[[str], int], least: int) -> list[Problem]:
        return check_chat(path, count_tokens=count, bom=bom, least=least)

    return check


FORMATS = {
    one.name: one
    for one in (
        Format("openai-chat", tuple(Split), chat_line, b"", _chat_check(False), 10),
        Format("azure-chat", tuple(Split), chat_line, BOM, _chat_check(True), 10),
        Format(
            "openai-dpo",
            (),
            None,
            b"",
            lambda path, count, least: check_dpo(path, count_tokens=count, least=least),
            10,
        ),
        Format(
            "bedrock-anthropic",
            tuple(Split),
            bedrock_line,
            b"",
            lambda path, count, least: check_bedrock(path, count_tokens=count, least=least),
            32,
        ),
    )
}
PARQUET = "parquet"
NAMES = (*FORMATS, PARQUET)


@dataclass(slots=True)
class Written:
    """One file of an export."""

    path: Path
    rows: int
    left_out: Counter[str]


def write_chat(rows: Iterable[Row], path: Path, *, bom: bool = False) -> int:
    """Write rows as OpenAI's chat JSON lines into a new private file; returns how many."""
    return _write(rows, chat_line, path, BOM if bom else b"").rows


def chat_lines(rows: Iterable[Row], *, bom: bool = False) -> Iterator[bytes]:
    """The lines that `write_chat` writes."""
    begin = BOM if bom else b""
    for row in rows:
        yield begin + line(chat_line(row))
        begin = b""


def export(store: DatasetStore, manifest: Manifest, name: str, destination: Path) -> list[Path]:
    """Write a dataset in a format into a folder; all of its files or none."""
    _known(name)
    store.folder(manifest.dataset_id)
    present = [one for one in (NOTE, *_file_names(name)) if (destination / one).exists()]
    if present:
        raise InvalidRequestError(
            f"{str(destination)!r} has {present[0]!r} already. Name another folder, or move that file away."
        )
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if name == PARQUET:
            from toolhone.datasets.parquet import write_parquet  # needs pyarrow

            written = [Written(*one, Counter()) for one in write_parquet(store, manifest, destination)]
        else:
            written = list(_written(store, manifest, FORMATS[name], destination))
        if not any(one.rows for one in written):
            why = "; ".join(f"{number} rows: {reason}" for reason, number in _left_out(written).items())
            raise InvalidRequestError(
                f"Nothing of {manifest.dataset_id!r} can be written as {name!r}"
                f"{': ' + why if why else ', since it has no such rows'}. Choose another format."
            )
        note = destination / NOTE
        told: JsonObject = {
            "dataset_id": manifest.dataset_id,
            "content_hash": manifest.content_hash,
            "format": name,
            "rows": {one.path.name: one.rows for one in written},
            "left_out": _left_out(written),
        }
        with _private(note) as file:
            file.write(json.dumps(told, indent=2).encode() + b"\n")
    except BaseException:
        for one in (NOTE, *_file_names(name)):
            (destination / one).unlink(missing_ok=True)
        raise
    return [*(one.path for one in written), note]


def check(
    store: DatasetStore,
    manifest: Manifest,
    name: str,
    workspace: Path,
    *,
    count_tokens: Callable[[str], int],
) -> list[Problem]:
    """Write a dataset in a format, check it by the provider's rules, and throw it away."""
    if _known(name) == PARQUET:
        raise InvalidRequestError("Parquet is no provider's format, so there is nothing to check it by.")
    kind = FORMATS[name]
    found: list[Problem] = []
    for one in _written(store, manifest, kind, workspace):
        file = one.path.name
        # Only the training file must have so many; the test file is never sent.
        least = kind.least if file in {"train.jsonl", "pairs.jsonl"} else 0
        found += [replace(problem, file=file) for problem in kind.problems(one.path, count_tokens, least)]
        found += [
            Problem(f"{number} rows cannot be written: {why}", file=file, fatal=False)
            for why, number in one.left_out.items()
        ]
    return found


def _written(store: DatasetStore, manifest: Manifest, kind: Format, folder: Path) -> Iterator[Written]:
    if kind.lines is None:
        yield _write(store.pairs(manifest.dataset_id), dpo_line, folder / "pairs.jsonl", kind.begin)
        return
    for split in kind.splits:
        rows = store.rows(manifest.dataset_id, split)
        yield _write(rows, kind.lines, folder / f"{split.value}.jsonl", kind.begin)


def _write(
    rows: Iterable[Row] | Iterable[Pair],
    told: Callable[[Row], JsonObject] | Callable[[Pair], JsonObject],
    path: Path,
    begin: bytes,
) -> Written:
    written = Written(path, 0, Counter())
    with _private(path) as file:
        file.write(begin)
        for row in rows:
            try:
                file.write(line(told(row)))  # pyright: ignore[reportArgumentType]  # rows and their spelling
            except Unfit as reason:
                written.left_out[str(reason)] += 1
            else:
                written.rows += 1
    return written


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _known(name: str) -> str:
    if name not in NAMES:
        raise InvalidRequestError(f"There is no format {name!r}; there are {', '.join(NAMES)}.")
    return name


def _file_names(name: str) -> list[str]:
    if name == PARQUET:
        return [f"{split.value}.parquet" for split in Split]
    return [f"{split.value}.jsonl" for split in FORMATS[name].splits] or ["pairs.jsonl"]


def _left_out(written: Sequence[Written]) -> dict[str, int]:
    return dict(sum((one.left_out for one in written), Counter[str]()))


def _weighted(message: JsonObject) -> JsonObject:
    if message["role"] != "assistant":
        return _unweighted(message)
    return {**_unweighted(message), "weight": message.get("weight", 1)}


def _unweighted(message: JsonObject) -> JsonObject:
    return {name: value for name, value in message.items() if name != "weight"}


def _in_parallel(messages: Sequence[JsonObject]) -> bool:
    """Whether any turn calls several tools at once."""
    return any(len(message.get("tool_calls") or ()) > 1 for message in messages)
