"""The blocks of code of a page, and what the comments before them say to the tests."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?P<notes>(?:^ *<!--(?:(?!-->).)*-->\n)*)"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
NOTE = re.compile(
    r"^ *<!-- (?P<word>not run|read by|needs|before|after):\s(?P<said>(?:(?!-->).)*?)\s*-->\n",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block between ``` and ```, with what the comments right before it say to the tests."""

    page: Path
    line: int
    """Of its opening fence, from 1."""
    language: str
    text: str
    excuse: str | None = None
    """`not run:` why it is not."""
    reader: str | None = None
    """`read by:` the test that reads it, as `tests/FILE.py::NAME`."""
    needs: str | None = None
    """`needs:` what only some tests have: torch, or a login (at a server that asks for one)."""
    before: str = ""
    """`before:` what the reader has done already, as a script; a name that it sets stands for its value."""
    after: str = ""
    """`after:` a script that fails if the block did not do what the page says."""


class UnknownNoteError(ValueError):
    """A comment right before a block that says nothing to the tests; it may be misspelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to type, and what is then shown; `None` where the page does not say."""

    script: str
    shown: str | None


def blocks(page: Path) -> Iterator[Block]:
    """Every block of a page, from its beginning.

    Raises:
        UnknownNoteError: If a comment right before a block is in none of the known forms.
    """
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("indent")) + 1
        notes = {note["word"]: textwrap.dedent(note["said"]) for note in NOTE.finditer(found["notes"])}
        if unknown := NOTE.sub("", found["notes"]).strip():
            raise UnknownNoteError(f"{page}:{line}: {unknown!r} is no note that is known")
        yield Block(
            page=page,
            line=line,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            excuse=notes.get("not run"),
            reader=notes.get("read by"),
            needs=notes.get("needs"),
            before=notes.get("before", ""),
            after=notes.get("after", ""),
        )


def steps(block: Block) -> Iterator[Step]:
    """What a block tells to type: all of an `sh` block, the lines behind `$` of a `console` block."""
    if block.language == "sh":
        yield Step(script=block.text, shown=None)
        return
    typed: list[str] = []
    shown: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if typed:
                yield Step(script="\n".join(typed), shown="\n".join(shown))
            typed, shown = [line[2:]], []
        elif line.startswith("> ") and typed and not shown:
            typed.append(line[2:])
        else:
            shown.append(line)
    yield Step(script="\n".join(typed), shown="\n".join(shown))


def as_shown(said: str, shown: str) -> bool:
    """Whether what was said is what the page shows: `…` is anything, on a line of its own any lines."""
    pattern = "".join(
        r"(?:[^\n]*\n)*"
        if line.strip() == "…"
        else r"[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
        for line in shown.rstrip().splitlines()
    )
    lines = "".join(f"{line.rstrip()}\n" for line in said.strip("\n").splitlines())
    return re.fullmatch(pattern, lines) is not None
