"""Searches the files of a folder for text or for a regular expression."""

import faulthandler
import fnmatch
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".ruff_cache", ".pytest_cache"}
)
LARGEST_FILE = 5_000_000
LONGEST_LINE_SHOWN = 300
MOST_FILES = 50_000
REGEX_SECONDS = 20


class SearchError(Exception):
    """The search cannot be made."""


def search_files(
    path: str,
    query: str,
    regex: bool = False,
    case_sensitive: bool = False,
    glob: str = "*",
    max_matches: int = 50,
) -> dict[str, Any]:
    """The lines that contain a text, or match a regular expression."""
    root = Path(path).expanduser().resolve()
    if not root.exists():
        raise SearchError(f"There is no file or folder {str(root)!r}.")
    if not regex:
        return _search(root, _finder(query, case_sensitive), glob, max_matches)
    try:
        re.compile(query)
    except (re.error, OverflowError, RecursionError) as exc:
        raise SearchError(f"{query!r} is not a regular expression: {exc}.") from exc
    return _in_a_process(str(root), query, case_sensitive, glob, max_matches)


def _in_a_process(*arguments: str | bool | int) -> dict[str, Any]:
    # A regular expression can take forever, and while it does, Python holds the lock that every other
    # thread needs. A process can be ended; it also ends itself, should we be gone by then.
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__],
            input=json.dumps(arguments),
            capture_output=True,
            check=True,
            text=True,
            encoding="utf-8",
            timeout=REGEX_SECONDS + 5,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as exc:
        raise SearchError(
            f"The search did not end within {REGEX_SECONDS} s; use a simpler pattern, a narrower glob, "
            "or plain text."
        ) from exc
    return json.loads(done.stdout)


def _search(root: Path, finds: Callable[[str], bool], glob: str, max_matches: int) -> dict[str, Any]:
    matches: list[dict[str, Any]] = []
    skipped: Counter[str] = Counter()
    searched = 0
    stopped_by: str | None = None
    for file in _files(root, glob):
        if searched + skipped.total() >= MOST_FILES:
            stopped_by = "max_files"
            break
        text = _text(file, skipped)
        if text is None:
            continue
        searched += 1
        name = file.name if file == root else str(file.relative_to(root))
        for number, line in enumerate(text.splitlines(), start=1):
            if finds(line):
                matches.append({"file": name, "line": number, "text": _shown(line)})
                if len(matches) > max_matches:
                    stopped_by = "max_matches"
                    break
        if stopped_by:
            break
    return {
        "matches": matches[:max_matches],
        "files_searched": searched,
        "files_skipped": dict(skipped),
        "complete": stopped_by is None,
        "stopped_by": stopped_by,
    }


def _finder(query: str, case_sensitive: bool) -> Callable[[str], bool]:
    if case_sensitive:
        return lambda line: query in line
    folded = query.casefold()
    return lambda line: folded in line.casefold()


def _files(root: Path, glob: str) -> Iterator[Path]:
    """Files in a fixed order; links are not followed, so nothing outside is read."""
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED_FOLDERS and not Path(folder, name, "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            file = Path(folder, name)
            relative = file.relative_to(root).as_posix()
            wanted = fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(relative, glob)
            if wanted and file.is_file() and not file.is_symlink():
                yield file


def _text(file: Path, skipped: Counter[str]) -> str | None:
    try:
        if file.stat().st_size > LARGEST_FILE:
            skipped["too_large"] += 1
            return None
        content = file.read_bytes()
    except OSError:
        skipped["unreadable"] += 1
        return None
    if b"\0" in content[:8192]:
        skipped["binary"] += 1
        return None
    return content.decode("utf-8", "replace")


def _shown(line: str) -> str:
    text = line.strip()
    if len(text) <= LONGEST_LINE_SHOWN:
        return text
    return f"{text[:LONGEST_LINE_SHOWN]}… ({len(text)} characters)"


def _main() -> None:
    # Works although the interpreter is busy with the expression, which a signal handler would not.
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - os.devnull is a name, not a path
        faulthandler.dump_traceback_later(REGEX_SECONDS, exit=True, file=nowhere)
        root, query, case_sensitive, glob, max_matches = json.load(sys.stdin)
        pattern = re.compile(query, 0 if case_sensitive else re.IGNORECASE)
        result = _search(Path(root), lambda line: pattern.search(line) is not None, glob, max_matches)
        sys.stdout.buffer.write(json.dumps(result).encode())


if __name__ == "__main__":
    _main()
