"""Pieces of a page: tables, blocks, and text that means itself. Pure."""

import json
from collections.abc import Iterable, Sequence

from toolhone.models import Json


def head(title: str, text: str) -> list[str]:
    """How every page begins."""
    return [f"# {title}", "", f"{text} Made from the code by `make reference`; a test finds it stale."]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table with an empty line before it; nothing if it has no rows."""
    lines = [_row(cells) for cells in rows]
    return ["", _row(headings), _row(["---"] * len(headings)), *lines] if lines else []


def block(language: str, text: str) -> list[str]:
    """A block of code with an empty line before it."""
    return ["", f"```{language}", text, "```"]


def json_block(value: Json) -> list[str]:
    """A value as a block, in as few lines as can be read."""
    short = json.dumps(value, ensure_ascii=False)
    return block("json", short if len(short) <= 100 else json.dumps(value, indent=2, ensure_ascii=False))


def code(text: str) -> str:
    """As code; nothing for nothing."""
    return f"`{text}`" if text else ""


def plain(text: str) -> str:
    """Text as it stands in docstrings, on one line and with no mark-up of its own but backticks."""
    parts = " ".join(text.split()).split("`")
    # What stands between backticks is code and needs no escapes.
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[") for part in parts[::2]]
    return "`".join(parts)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring, each on one line and with an empty line before it."""
    return [line for part in text.strip().split("\n\n") for line in ("", plain(part))]


def anchor(heading: str) -> str:
    """What a heading is called in links."""
    kept = "".join(char for char in heading.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")


def text_of(lines: Iterable[str]) -> str:
    """A whole page."""
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
