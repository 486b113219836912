"""Recognise a command line that would start toolhone itself, so that it never starts its own copies."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PureWindowsPath

_SUBCOMMANDS = {"uv": ("tool", "run", "x"), "uvx": (), "pipx": ("run",)}
_OPTIONS_WITH_VALUE = frozenset(
    {
        *("--from", "--with", "--with-editable", "--with-requirements", "--spec", "--package"),
        *("--python", "-p", "--extra", "--group", "--index", "--default-index", "--index-url", "-i"),
        *("--extra-index-url", "--directory", "--project", "--env-file", "--cache-dir", "--pip-args"),
    }
)
_SUFFIX_OR_REQUIREMENT = re.compile(r"\.(?:exe|cmd|bat)$|[@\[=<>~! ]")


def starts_toolhone(words: Sequence[str]) -> bool:
    """Whether the command is toolhone: by name, as a Python module, or through uv, uvx or pipx."""
    if not words:
        return False
    program = _program(words[0])
    if program == "toolhone":
        return True
    if program == "py" or program.startswith(("python", "pypy")):
        return ("-m", "toolhone") in pairwise(words)
    if program in _SUBCOMMANDS:
        return starts_toolhone(_after_runner(words[1:], _SUBCOMMANDS[program]))
    return False


def _program(word: str) -> str:
    # PureWindowsPath splits at both kinds of slash. A requirement is a name too: toolhone[x]==1.0.
    return _SUFFIX_OR_REQUIREMENT.split(PureWindowsPath(word).name.lower(), maxsplit=1)[0]


def _after_runner(words: Sequence[str], subcommands: Sequence[str]) -> Sequence[str]:
    index = 0
    while index < len(words):
        word = words[index]
        if word in _OPTIONS_WITH_VALUE:
            index += 2
        elif word.startswith("-") or word in subcommands:
            index += 1
        else:
            break
    return words[index:]
