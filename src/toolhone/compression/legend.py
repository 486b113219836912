"""The one line that explains the marks of a signature text to a model: only those that occur."""

import re

_MARKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), meaning)
    for pattern, meaning in (
        (r"^[& ][^ <>{}%&]{0,80}\??(?:=|:|$)|[{,] [^ ,<>{}]{1,80}[,}]", "no type: str"),
        (r"[\w\"]\?(?=[ ,:=}%]|$)", "name? optional"),
        (r"<[^<>\n]+>", "<a b> one of these"),
        (r"^&", "& shared parameter"),
        (r"%\d", "%1 shared part"),
        (r"\\\d", "\\1 shared text"),
        (r"\.\.\.(?=[}\n]|$)", "... other keys allowed"),
        (r"^defaults: .*closed", "closed: no other keys"),
        (r"[}]!|^## !$", "! no other keys"),
        (r"[{ ]\*(?:true|[ },]|$)", "* other keys"),
        (r"[ (|]\^", "^ like the schema at"),
        (r"^ [$#]", "$x defined once"),
    )
)


def legend(structure: str) -> str:
    """One comment that explains the marks used; empty if there are none."""
    said = [meaning for pattern, meaning in _MARKS if pattern.search(structure)]
    return f"// {'; '.join(said)}" if said else ""
