"""A change of a JSON file as people read it, without the secrets in it. Pure."""

import difflib
from collections.abc import Iterator

from toolhone.hosts.json_text import Value, read
from toolhone.redaction import redact_text

SECRET_KEYS = frozenset({"env", "headers"})
"""Every text below one of these is hidden."""

_LONGEST = 160


def difference(name: str, before: str, after: str) -> str:
    """The lines that change, with their neighbours; empty if only hidden texts do."""
    lines = difflib.unified_diff(
        _hidden(before).splitlines(),
        _hidden(after).splitlines(),
        fromfile=f"{name} (now)",
        tofile=f"{name} (then)",
        lineterm="",
    )
    return "\n".join(_short(redact_text(line)) for line in lines)


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _hidden(text: str) -> str:
    if not text.strip():
        return text
    for start, end in sorted(_secrets(read(text), within=False), reverse=True):
        text = f'{text[:start]}"…"{text[end:]}'
    return text


def _secrets(value: Value, *, within: bool) -> Iterator[tuple[int, int]]:
    if value.members is None:
        if within:
            yield value.start, value.end
        return
    for member in value.members:
        yield from _secrets(member.value, within=within or member.key in SECRET_KEYS)
