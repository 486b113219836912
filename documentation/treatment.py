"""What is done with each block of code of the documentation: `python -m documentation.treatment` counts them.

A block is typed or executed, or read by what reads it in use, or made from the code in the first place.
What is none of that is excused, for one of a few reasons.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from documentation.__main__ import PAGES
from documentation.blocks import Block, blocks

ROOT = Path(__file__).parents[1]

FOLDERS = ("", "encoder", "examples", "benchmarks", "tool_registry")
"""Those beside docs/ that have pages."""

SHELL = ("sh", "console")
PYTHON = ("python",)
DATA = ("json", "toml", "yaml", "text")


class Treatment(StrEnum):
    """What is done with a block."""

    RUN = "run"
    READ = "read"
    """By what it is written for."""
    MADE = "made"
    """From the code; the tests compare the page with it."""
    EXCUSED = "excused"
    """Not run, for a reason. Its commands, options and targets are looked up all the same."""


EXCUSES = {
    "it installs from an index": "the tests install nothing; tests/packaging does, from a wheel of its own",
    "make runs the tests": "and they cannot run themselves",
    "make demo-train runs it": "a run of CI of its own",
    "it trains for long": "longer than a test may take",
    "it needs recorded listings": "of servers of other people, which are not in the repository",
    "it needs an account at Azure": "",
    "it needs another machine": "",
    "it needs Docker": "",
    "it needs nginx": "",
    "it needs systemd as root": "",
}
"""Why a block may be left out, word for word up to a semicolon, with what there is to say about it."""


def treatment(block: Block, made: Iterable[Path]) -> Treatment | None:
    """What is done with a block; `None` if nothing is, and nothing says why.

    Args:
        made: The pages that are made from the code.
    """
    if block.excuse is not None:
        return Treatment.EXCUSED if block.excuse.partition(";")[0] in EXCUSES else None
    if block.page in made:
        return Treatment.MADE
    if block.language in (*SHELL, *PYTHON):
        return Treatment.RUN
    return Treatment.READ if block.language in DATA or block.reader is not None else None


def pages() -> list[Path]:
    """Every page with blocks that is not a record of the past."""
    return sorted(
        {
            *(ROOT / "docs").rglob("*.md"),
            *(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md")),
        }
    )


def main() -> None:
    """Print how many blocks there are of each kind, and which are excused."""
    made = {ROOT / "docs" / name for name in PAGES}
    found = [(block, treatment(block, made)) for page in pages() for block in blocks(page)]
    lines = [f"{kind}: {count}\n" for kind, count in Counter(kind for _, kind in found).items()]
    lines += [
        f"  {block.page.relative_to(ROOT)}:{block.line} {block.excuse}\n"
        for block, kind in found
        if kind is Treatment.EXCUSED
    ]
    sys.stdout.writelines(lines)


if __name__ == "__main__":
    main()
