"""Recognise a command line that would start toolhone itself, so that it never starts its own copies.

No list of ways to start a program is complete. What is not recognised here is caught later: children
get the variable `NESTING_MARK`, with which toolhone starts no servers of its own, and a server that
calls itself toolhone in the handshake is ended.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import PureWindowsPath

NESTING_MARK = "TOOLHONE_NESTED"

_OPTIONS_WITH_VALUE: Mapping[str, frozenset[str]] = {
    "uv": frozenset(
        {
            *("--from", "--with", "--with-editable", "--with-requirements", "--spec", "--package"),
            *("--python", "-p", "--extra", "--group", "--index", "--default-index", "--index-url", "-i"),
            *("--extra-index-url", "--directory", "--project", "--env-file", "--cache-dir", "--pip-args"),
        }
    ),
    "python": frozenset({"-W", "-X", "--check-hash-based-pycs"}),
    "env": frozenset({"-u", "--unset", "-C", "--chdir"}),
    "poetry": frozenset({"-C", "--directory", "-P", "--project"}),
    "pdm": frozenset({"-p", "--project"}),
    "hatch": frozenset({"-e", "--env", "-p", "--project"}),
    "conda": frozenset({"-n", "--name", "-p", "--prefix", "--cwd"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "sudo": frozenset({"-u", "--user", "-g", "--group"}),
}
_SUBCOMMANDS: Mapping[str, tuple[str, ...]] = {
    "uv": ("tool", "run", "x"),
    "uvx": (),
    "pipx": ("run",),
    "poetry": ("run",),
    "pdm": ("run",),
    "hatch": ("run",),
    "pipenv": ("run",),
    "rye": ("run",),
    "conda": ("run",),
    "mamba": ("run",),
    "micromamba": ("run",),
    "env": (),
    "nohup": (),
    "nice": (),
    "exec": (),
    "sudo": (),
}
_LIKE = {"uvx": "uv", "pipx": "uv", "mamba": "conda", "micromamba": "conda"}
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "cmd", "powershell", "pwsh"})
_SHELL_RUNS = re.compile(r"-[a-z]*c|/[ck]|-command|--command", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SHORT_OPTIONS_TO_MODULE = re.compile(r"-[bBdEhiIOPqRsSuvVx]*m(.*)")
_SUFFIX_OR_REQUIREMENT = re.compile(r"\.(?:exe|cmd|bat)$|[@\[=<>~! ]")
_NONE: frozenset[str] = frozenset()


def starts_toolhone(words: Sequence[str]) -> bool:
    """Whether the command is toolhone: by name, through Python, a shell, or a program that starts others."""
    if not words:
        return False
    program = _program(words[0])
    if program == "toolhone":
        return True
    if program == "py" or program.startswith(("python", "pypy")):
        return _python_starts_toolhone(words[1:])
    if program in _SHELLS:
        return _shell_starts_toolhone(words[1:])
    if program in _SUBCOMMANDS:
        return starts_toolhone(_after_runner(words[1:], program))
    return False


def _program(word: str) -> str:
    # PureWindowsPath splits at both kinds of slash. A requirement is a name too: toolhone[x]==1.0.
    return _SUFFIX_OR_REQUIREMENT.split(PureWindowsPath(word).name.lower(), maxsplit=1)[0]


def _python_starts_toolhone(words: Sequence[str]) -> bool:
    rest = iter(words)
    for word in rest:
        if word in _OPTIONS_WITH_VALUE["python"]:
            next(rest, None)
        elif word == "-c":
            return False
        elif word.startswith("--") or word == "-":
            continue
        elif module := _SHORT_OPTIONS_TO_MODULE.fullmatch(word):
            name = module[1] or next(rest, "")
            return name.split(".")[0] == "toolhone"
        elif not word.startswith("-"):
            # A console script, or the package's own folder or main file.
            path = PureWindowsPath(word)
            return "toolhone" in (_program(word), path.parent.name if path.name == "__main__.py" else "")
    return False


def _shell_starts_toolhone(words: Sequence[str]) -> bool:
    for index, word in enumerate(words):
        if _SHELL_RUNS.fullmatch(word):
            # cmd takes the rest of its words as one command, the others the next word.
            return any(starts_toolhone(command) for command in _commands(" ".join(words[index + 1 :])))
        if not word.startswith(("-", "/")):
            return False  # A script.
    return False


def _commands(text: str) -> list[list[str]]:
    """The single commands of a line for a shell, without the variables set before them."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.escape = ""  # So that paths of Windows stay whole.
    try:
        words = list(lexer)
    except ValueError:  # A quote that is not closed.
        words = text.split()
    return [
        _after_assignments(list(group)) for separates, group in groupby(words, _separates) if not separates
    ]


def _separates(word: str) -> bool:
    return set(word) <= set("();<>|&")


def _after_assignments(words: list[str]) -> list[str]:
    first = next((index for index, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return words[first:]


def _after_runner(words: Sequence[str], program: str) -> Sequence[str]:
    with_value = _OPTIONS_WITH_VALUE.get(_LIKE.get(program, program), _NONE)
    index = 0
    while index < len(words):
        word = words[index]
        if word in with_value:
            index += 2
        elif word.startswith("-") or word in _SUBCOMMANDS[program] or _is_set(word, program):
            index += 1
        else:
            break
    return words[index:]


def _is_set(word: str, program: str) -> bool:
    return program in ("env", "sudo") and _ASSIGNMENT.match(word) is not None
