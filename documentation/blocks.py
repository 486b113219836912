"""The blocks of code of a page, and what is said about those that cannot run."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<excuse>[^\n]+?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block between ``` and ```."""

    page: Path
    line: int
    """Of its opening fence, from 1."""
    language: str
    text: str
    excuse: str | None
    """Why it is not run, from a comment `<!-- not run: why -->` right before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to type, and what is then shown; `None` where the page does not say."""

    script: str
    shown: str | None


def blocks(page: Path) -> Iterator[Block]:
    """Every block of a page, from its beginning."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("indent")) + 1,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            excuse=found["excuse"],
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
