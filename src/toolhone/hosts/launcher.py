"""How a host starts the toolhone that is running now."""

import shutil
import sys
from pathlib import Path

_UV_CACHE = ("archive-v", "environments-v", "builds-v")
"""Folders of uv's cache, in which `uvx` keeps environments that go when the cache is cleaned."""


def launcher() -> tuple[str, list[str]]:
    """The command, as an absolute path if there is one, and the arguments before those for toolhone."""
    if any(part.startswith(_UV_CACHE) for part in Path(sys.prefix).parts):
        return shutil.which("uvx") or "uvx", ["toolhone"]
    beside = Path(sys.executable).with_name("toolhone.exe" if sys.platform == "win32" else "toolhone")
    if beside.exists():
        return str(beside), []
    return shutil.which("toolhone") or "toolhone", []
