"""Secrets that a layout ties to the name of them: calls, forms, tables, and lines of name and value.

Names are judged like keys of a JSON object. There is no `=` or `:` to say that a value follows, so the
value must look like a password or a token as well; `["password", "email"]` is a list of words.
"""

import re
from collections.abc import Iterator

from toolhone.redaction.keys import Telling, telling
from toolhone.redaction.likeness import is_reference, looks_digits, looks_handed_over
from toolhone.redaction.placeholders import Span

_PAIRS = (
    # define('DB_PASSWORD', '…'), headers.set("X-Api-Key", "…")
    re.compile(
        r"""[\"'](?P<name>[A-Za-z][\w.-]{1,63}+)\\?[\"'][ ]?,[ ]?\\?"""
        r"""(?P<quote>[\"'])(?P<secret>[^\"'\s]{4,512})(?P=quote)"""
    ),
    # setPassword("…"), with_token("…")
    re.compile(
        r"""(?<![\w])(?:set|with|use|add|put)_?(?P<name>[A-Za-z]\w{1,63}+)\([ ]?"""
        r"""(?P<quote>\\?[\"'])(?P<secret>[^\"'\s]{4,512}?)(?P=quote)"""
    ),
    # <input name="csrf_token" value="…">
    re.compile(
        r"""name=[\"']?(?P<name>[\w.:-]{2,64}+)[\"']?[ ](?:[\w-]{1,32}=[\"'][^\"'<>]{0,64}[\"'][ ]){0,8}"""
        r"""value=[\"'](?P<secret>[^\"'<>\s]{4,4096})"""
    ),
    # | password | … |
    re.compile(
        r"\|[ ]{0,40}[*`]{0,2}(?P<name>[A-Za-z][\w .-]{1,63}?)[*`]{0,2}[ ]{0,40}\|"
        r"[ ]{0,40}`?(?P<secret>[^|\s`]{4,512})`?[ ]{0,40}\|"
    ),
    # ENV DB_PASSWORD …
    re.compile(
        r"(?:^|[\r\n]|\\n)[ \t]{0,40}(?:ENV|setenv)[ \t]{1,8}(?P<name>[A-Za-z]\w{1,63})[ \t]{1,8}"
        r"(?P<secret>[^\s\"'\\]{4,512})"
    ),
    # A netrc file
    re.compile(
        r"(?<![\w-])login[ \t]{1,8}\S{1,128}(?:\s|\\n){1,16}(?P<name>password)[ \t]{1,8}"
        r"(?P<secret>[^\s\"'\\]{4,512})"
    ),
)
# Each is tried only on text with one of these.
_SIGNS = ((",",), ("(",), ("value=",), ("|",), ("ENV ", "setenv "), ("login ",))

_NAME_CELL = r"[ ]{0,40}[\"']?[A-Za-z][\w.-]{0,63}+(?:[ ][\w.-]{1,63}+){0,4}+[\"']?[ ]{0,40}+"
_HEADER = re.compile(
    rf"(?:(?<=[\r\n])|\A)(?:(?P<bar>[ ]{{0,8}}\|)?(?={_NAME_CELL}(?P<separator>[,;\t|])))"
    rf"{_NAME_CELL}(?:(?P=separator){_NAME_CELL}){{1,63}}+\|?[ \t]{{0,8}}(?=[\r\n])"
)
_LINE = re.compile(r"[^\r\n]+")


def find_laid_out(text: str) -> Iterator[Span]:
    """The values in `text` that its layout ties to a telling name."""
    for signs, pattern in zip(_SIGNS, _PAIRS, strict=True):
        if any(sign in text for sign in signs):
            for match in pattern.finditer(text):
                if (found := telling(match["name"])) and _is_secret(found, match["secret"]):
                    yield Span(*match.span("secret"), found.kind)
    if "\n" in text:
        yield from _in_columns(text)


def _is_secret(found: Telling, value: str) -> bool:
    if is_reference(value):
        return False
    if found.condition is not None:
        return found.condition(value)
    return looks_handed_over(value) or looks_digits(value)


def _in_columns(text: str) -> Iterator[Span]:
    """The cells below a telling name in a table of lines, down to a line with another number of cells."""
    covered = 0
    for header in _HEADER.finditer(text):
        if header.start() < covered:
            # A row of words looks like a header.
            continue
        separator = header["separator"]
        columns = {
            place: found
            for place, name in enumerate(header[0].split(separator))
            if (found := telling(name.strip(" \"'")))
        }
        width = header[0].count(separator)
        for line in _LINE.finditer(text, header.end()) if columns else ():
            if line[0].count(separator) != width:
                break
            covered = line.end()
            yield from _cells(line, separator, columns)


def _cells(line: re.Match[str], separator: str, columns: dict[int, Telling]) -> Iterator[Span]:
    start = line.start()
    for place, cell in enumerate(line[0].split(separator)):
        value = cell.strip(" \t\"'`")
        if (found := columns.get(place)) and value and _is_secret(found, value):
            begin = start + cell.index(value)
            yield Span(begin, begin + len(value), found.kind)
        start += len(cell) + 1
