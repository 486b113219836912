"""Tools as text at a level of detail, all at one level or each at its own."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from toolhone.compression.legend import legend as explained
from toolhone.compression.levels import LEFT_OUT, Level
from toolhone.compression.notation import minified, written_name
from toolhone.compression.proven import digest
from toolhone.compression.purposes import purpose
from toolhone.compression.reducing import INDEX_WORDS, reduced, seed
from toolhone.compression.signatures import Entry, checked, encode
from toolhone.compression.writing import Written
from toolhone.exceptions import SignatureError
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens

_CACHED = 2_048
"""Texts of a few kilobytes: questions that differ in a word are often answered with the same tools."""
_CACHED_CHARACTERS = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Tools as text: what is said once, then a block a tool."""

    preamble: str
    """Legend, defaults of the catalog, shared parts. No newline at its end; empty if nothing is needed."""
    blocks: tuple[str, ...]
    """One a tool, in the order given. Its first line begins with the tool's name."""
    fallbacks: tuple[str, ...]
    """The tools that went out as JSON at a level that is not JSON."""

    @property
    def text(self) -> str:
        """Preamble and blocks, as `decompress` reads them."""
        return "\n".join((self.preamble, *self.blocks) if self.preamble else self.blocks)


def render(tools: Sequence[JsonObject], level: Level, *, legend: bool = True, share: bool = True) -> Rendered:
    """Every tool at one level.

    Args:
        tools: MCP tool definitions as on the wire.
        level: How much of them is shown.
        legend: Whether the marks are explained.
        share: Whether what several tools have in common is stated once.

    Raises:
        SignatureError: A definition has no name, nests too deep, or is not JSON.
    """
    return _cache.get(tools, [level] * len(tools), level, legend, share)


def render_each(tools: Sequence[JsonObject], levels: Sequence[Level], *, legend: bool = True) -> Rendered:
    """Every tool at a level of its own, in one text.

    Raises:
        SignatureError: As `render`.
    """
    if len(tools) != len(levels):
        raise ValueError(f"{len(tools)} tools, but {len(levels)} levels")
    one = levels[0] if len(set(levels)) == 1 else None
    return _cache.get(tools, list(levels), one, legend, True)


def _rendered(
    tools: Sequence[JsonObject], levels: Sequence[Level], one: Level | None, legend: bool, share: bool
) -> Rendered:
    for place, tool in enumerate(tools):
        if not isinstance(tool.get("name"), str):
            raise SignatureError(f"The tool at place {place} has no name.")
    entries = [_entry(tool, level, alone=one is not None) for tool, level in zip(tools, levels, strict=True)]
    left_out = _left_out(levels, one)
    found = encode(entries, share=share, cost=lambda written: _cost(written, legend))
    return Rendered(
        preamble=_preamble(found.written, legend, left_out),
        blocks=tuple(
            _marked(block) if one is None and level in (Level.TYPES, Level.BRIEF) else block
            for block, level in zip(found.written.blocks, levels, strict=True)
        ),
        fallbacks=tuple(str(tools[place]["name"]) for place in found.raw),
    )


def _entry(tool: JsonObject, level: Level, *, alone: bool) -> Entry:
    """What is written of a tool at a level, in a text of that level or of several."""
    if level is Level.FULL:
        return Entry(tool=tool)
    if level in (Level.TYPES, Level.BRIEF):
        checked(tool)
        return Entry(tool=reduced(tool, level), joined=level is Level.TYPES)
    name = written_name(str(tool["name"]))
    if level in (Level.JSON, Level.SEED):
        checked(tool)
    if level is Level.JSON:
        return Entry(tool=tool, text=minified(tool) if alone else f"## {name} {minified(tool)}")
    if level is Level.SEED:
        return Entry(tool=tool, text=minified(seed(tool)) if alone else f"## {name} ~ {minified(seed(tool))}")
    text = tool.get("description")
    said = purpose(text, INDEX_WORDS) if level is Level.INDEX and isinstance(text, str) else ""
    if alone:
        return Entry(tool=tool, text=f"{name}: {said}" if said else name)
    return Entry(tool=tool, text=f"## {name} ~~ {said}".rstrip())


def _preamble(written: Written, legend: bool, left_out: str = "") -> str:
    lines = [
        explained(written.structure) if legend else "",
        f"~ {left_out}" if left_out else "",
        *written.preamble,
    ]
    return "\n".join(line for line in lines if line)


def _cost(written: Written, legend: bool) -> int:
    return count_tokens("\n".join([_preamble(written, legend), *written.blocks]))


def _marked(block: str) -> str:
    """A block that says it is not the whole definition."""
    head, *rest = block.split("\n", 1)
    return "\n".join([f"{head} ~", *rest])


def _left_out(levels: Sequence[Level], one: Level | None) -> str:
    if one is not None:
        return LEFT_OUT[one]
    found = set(levels)
    said: list[str] = []
    if found & {Level.TYPES, Level.BRIEF, Level.SEED}:
        said.append("~: texts and output left out")
    if found & {Level.NAMES, Level.INDEX}:
        said.append("~~: parameters too" if said else "~~: no parameters")
    return f"{'; '.join(said)}; see describe_tools" if said else ""


class _Cache:
    """The newest texts, by everything they depend on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, Rendered] = OrderedDict()
        self._characters = 0

    def get(
        self,
        tools: Sequence[JsonObject],
        levels: Sequence[Level],
        one: Level | None,
        legend: bool,
        share: bool,
    ) -> Rendered:
        key = digest(list(tools), [level.value for level in levels], legend, share)
        with self._lock:
            found = self._found.get(key) if key else None
            if found is not None and key is not None:
                self._found.move_to_end(key)
                return found
        rendered = _rendered(tools, levels, one, legend, share)
        if key is not None:
            self._keep(key, rendered)
        return rendered

    def _keep(self, key: bytes, rendered: Rendered) -> None:
        with self._lock:
            if key in self._found:  # somebody else was faster
                return
            self._found[key] = rendered
            self._characters += _characters(rendered)
            while len(self._found) > _CACHED or (self._characters > _CACHED_CHARACTERS and self._found):
                _, dropped = self._found.popitem(last=False)
                self._characters -= _characters(dropped)


def _characters(rendered: Rendered) -> int:
    return len(rendered.preamble) + sum(map(len, rendered.blocks))


_cache = _Cache()
