"""Lossless signatures: encode, read back, compare, and fall back to JSON where anything differs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

from toolhone.compression.conventions import Conventions, find_conventions
from toolhone.compression.definitions import Block, DefinitionWriter, raw_block
from toolhone.compression.parts import Parts
from toolhone.compression.proven import Proven, digest
from toolhone.compression.reading import SignatureReader
from toolhone.compression.writing import Written, assemble
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject, canonical_json

DEEPEST = 200
"""Levels of nested objects and lists in a definition; deeper ones are refused."""
_SIGNED = 80
"""Deeper definitions go out as JSON."""

_signable = Proven()
_read_back = Proven()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool as it is to be shown."""

    tool: JsonObject
    """The definition that is written and must read back."""
    joined: bool = False
    """Whether parameters without a description stand on one line."""
    text: str | None = None
    """Shown instead of a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Tools as text that was read back and compared."""

    written: Written
    raw: tuple[int, ...]
    """The places of the tools that went out as JSON."""


def encode(entries: Sequence[Entry], *, share: bool = True, cost: Callable[[Written], int]) -> Signatures:
    """Write every entry so that it reads back as the same JSON; as JSON itself where it would not.

    Args:
        entries: The tools, in the order shown.
        share: Whether what repeats may be stated once; it is where the whole costs less by `cost`.
        cost: What is to be small, by which the text with and without shared parts are compared.

    Raises:
        SignatureError: A definition is nested too deep, or is not JSON.
    """
    signed = {place: digest(entry.tool) for place, entry in enumerate(entries) if entry.text is None}
    raw = frozenset(place for place, key in signed.items() if not _can_be_signed(entries[place].tool, key))
    while True:
        written = _smallest(entries, raw, share, cost)
        wrong = _wrong(entries, written, signed) - raw
        if not wrong:
            return Signatures(written=written, raw=tuple(sorted(raw)))
        raw |= wrong


def _smallest(
    entries: Sequence[Entry], raw: frozenset[int], share: bool, cost: Callable[[Written], int]
) -> Written:
    signed = [entry.tool for place, entry in enumerate(entries) if place not in raw and entry.text is None]
    found = _write(entries, raw, find_conventions(signed) if share else Conventions(), share)
    if not found.preamble:
        return found
    alone = _write(entries, raw, Conventions(), False)
    return alone if cost(alone) < cost(found) else found


def _write(entries: Sequence[Entry], raw: frozenset[int], conventions: Conventions, share: bool) -> Written:
    parts = Parts()
    writer = DefinitionWriter(parts, conventions)
    blocks: list[Block] = []
    for place, entry in enumerate(entries):
        if entry.text is not None:
            blocks.append(Block(entry.text))
        elif place in raw:
            blocks.append(raw_block(entry.tool))
        else:
            blocks.append(writer.block(entry.tool, joined=entry.joined))
    return assemble(blocks, parts, conventions, share=share)


def checked(tool: JsonObject) -> str:
    """The canonical JSON of a tool that can be written.

    Raises:
        SignatureError: It is nested too deep, or is not JSON.
    """
    if depth(tool) > DEEPEST:
        raise SignatureError(
            f"The tool {_named(tool)} nests deeper than {DEEPEST} levels. Flatten its schema."
        )
    try:
        return canonical_json(tool)
    except (TypeError, ValueError) as exc:
        raise SignatureError(f"The definition of the tool {_named(tool)} is not JSON: {exc}.") from exc


def _named(tool: JsonObject) -> str:
    return repr(str(tool.get("name"))[:100])


def depth(value: Json) -> int:
    """How deep objects and lists nest."""
    deepest = 0
    stack: list[tuple[Json, int]] = [(value, 1)]
    while stack:
        part, level = stack.pop()
        deepest = max(deepest, level)
        if level > DEEPEST:
            break
        inner: list[Json] = []
        if isinstance(part, dict):
            inner = list(cast("JsonObject", part).values())
        elif isinstance(part, list):
            inner = cast("list[Json]", part)
        stack.extend((item, level + 1) for item in inner if type(item) in (dict, list))
    return deepest


def _can_be_signed(tool: JsonObject, key: bytes | None) -> bool:
    """Whether the tool, of this digest, has what a signature needs, and nests no deeper than one may.

    Raises:
        SignatureError: As `checked`.
    """
    if _signable.spent_on(key) is not None:
        return True
    checked(tool)
    if not isinstance(tool.get("name"), str) or "inputSchema" not in tool or depth(tool) > _SIGNED:
        return False
    _signable.keep(key)
    return True


def _wrong(entries: Sequence[Entry], written: Written, signed: Mapping[int, bytes | None]) -> set[int]:
    """The places of the tools, by place and digest, that do not read back as they were."""
    reader = SignatureReader()
    preamble = written.preamble_lines
    try:
        reader.preamble(list(enumerate(preamble, 1)))
    except (SignatureError, RecursionError):
        return set(signed)

    def reads_back(place: int, key: bytes | None) -> bool:
        block = written.blocks[place]
        text = None if key is None else digest(key, preamble, block)
        spent = _read_back.spent_on(text)
        if spent is not None:
            # All blocks share what a text may expand to, so also those that are not read again.
            return reader.can_spend(spent)
        before = reader.spent
        same = _reads_back(reader, block, entries[place].tool)
        if same:
            _read_back.keep(text, spent=reader.spent - before)
        return same

    return {place for place, key in signed.items() if not reads_back(place, key)}


def _reads_back(reader: SignatureReader, block: str, tool: JsonObject) -> bool:
    lines = list(enumerate(block.split("\n"), 1))
    if any(line.startswith("## ") for _, line in lines[1:]):
        return False
    try:
        return canonical_json(reader.block(lines)) == canonical_json(tool)
    except (SignatureError, RecursionError):
        return False


def decompress(text: str) -> list[JsonObject]:
    """The tools of a text at level `full` or `json`.

    Raises:
        SignatureError: The text is lossy, or is not one that `render` wrote.
    """
    if text.lstrip()[:1] in ("[", "{"):
        return _from_json(text)
    lines = [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1)]
    heads = [place for place, (_, line) in enumerate(lines) if line.startswith("## ")]
    ends = [*heads[1:], len(lines)] if heads else []
    reader = SignatureReader()
    try:
        reader.preamble(lines[: heads[0]] if heads else lines)
        return [reader.block(lines[start:end]) for start, end in zip(heads, ends, strict=True)]
    except RecursionError as exc:
        _refuse(reader.number, "it nests too deep", exc)


def _from_json(text: str) -> list[JsonObject]:
    """A JSON list of tools, or one tool a line."""
    try:
        if text.lstrip().startswith("["):
            found: Json = json.loads(text)
        else:
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as exc:
        line = exc.lineno if isinstance(exc, json.JSONDecodeError) else 1
        _refuse(line, str(exc), exc)
    for number, tool in enumerate(cast("list[Json]", found), 1):
        if not isinstance(tool, dict):
            _refuse(number, "a tool is a JSON object")
        if "n" in tool and "name" not in tool:
            _refuse(number, "the text is lossy (seed) and cannot be decompressed")
    return cast("list[JsonObject]", found)


def _refuse(line: int, message: str, cause: Exception | None = None) -> NoReturn:
    raise SignatureError(f"Line {line} is not a signature: {message}.", data={"line": line}) from cause
