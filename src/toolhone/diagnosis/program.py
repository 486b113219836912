"""Whether the program itself is whole: Python, SQLite, its libraries, its encoder, the command on PATH."""

import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from toolhone import __version__
from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.exceptions import ToolhoneError
from toolhone.selection.encoder import Encoder

OLDEST_SQLITE = (3, 35)
"""The first with what the stores use: dropping columns, RETURNING."""

EXTRAS = {"train": "trainings on this machine", "otel": "traces to a collector"}


def program() -> Iterator[Finding]:
    """Python, SQLite and the libraries."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield ok("python", f"toolhone {__version__} on Python {python}, {sys.executable}")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield problem(
            "sqlite",
            f"SQLite {sqlite3.sqlite_version} is too old.",
            "Use a Python with SQLite 3.35 or newer.",
        )
    else:
        yield ok("sqlite", f"SQLite {sqlite3.sqlite_version}")
    yield from _libraries()


def _libraries() -> Iterator[Finding]:
    try:
        needed = [Requirement(line) for line in requires("toolhone") or ()]
    except PackageNotFoundError:
        yield problem("libraries", "toolhone is not installed as a package.", "pip install toolhone")
        return
    wrong = [text for each in needed if _applies(each, "") and (text := _wrong(each))]
    if wrong:
        yield problem("libraries", f"{'; '.join(wrong)}.", "pip install --upgrade toolhone")
    else:
        yield ok("libraries", "every library that toolhone needs is there")
    for extra, purpose in EXTRAS.items():
        # What is needed without the extra too says nothing about it.
        own = [each for each in needed if _applies(each, extra) and not _applies(each, "")]
        missing = [text for each in own if (text := _wrong(each))]
        if missing and len(missing) < len(own):
            mend = f"pip install 'toolhone[{extra}]'"
            yield warning("extras", f"toolhone[{extra}] is there in part: {'; '.join(missing)}.", mend)
        else:
            yield ok("extras", f"toolhone[{extra}] is {'not ' if missing else ''}installed ({purpose})")


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _wrong(requirement: Requirement) -> str | None:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} is {found}, not {requirement.specifier}"


def command_path(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Which `toolhone` a terminal finds."""
    found = shutil.which("toolhone", path=environ.get("PATH"))
    own = Path(sys.executable).with_name("toolhone")
    if found is None:
        yield warning(
            "command",
            "no toolhone is on PATH. Hosts do not need it: what toolhone install writes is a whole path.",
            f"Add {str(own.parent)!r} to PATH, or: uv tool install toolhone",
        )
    elif own.exists() and not Path(found).samefile(own):
        yield warning(
            "command",
            f"the toolhone on PATH is {found}, another one than this.",
            f"Remove one of them, or name this one: {own}",
        )
    else:
        yield ok("command", found)


def encoder(loaded: Encoder | ToolhoneError) -> Iterator[Finding]:
    """Whether the encoder that finds tools is the one it should be, and encodes.

    Args:
        loaded: The encoder, or why it could not be loaded. Loading compares its files with their hashes.
    """
    if isinstance(loaded, ToolhoneError):
        mend = "pip install --force-reinstall toolhone, or: toolhone selector use default"
        yield problem("encoder", loaded.message, mend)
        return
    loaded.encode_task("which encoder is this")
    yield ok("encoder", f"{loaded.name}: its files are the right ones, and it encodes")
