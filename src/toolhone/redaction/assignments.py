"""Secrets in text that only the name before them gives away: `password=…`, `--api-key …`, `Cookie: …`.

A name is found by the syllable that makes it telling, widened to the whole name and judged like a key of
a JSON object. Whether the value is one, and not prose or program code, is judged by its form: what is
quoted or written as in a shell (`KEY=value`) counts, `password: str` and `token = get_token()` do not.
"""

import re
from collections.abc import Iterator

from toolhone.redaction.keys import Telling, telling
from toolhone.redaction.likeness import (
    is_code,
    is_identifier,
    is_ordinary_word,
    is_reference,
    looks_chosen,
    looks_digits,
    looks_random,
    word_set,
)
from toolhone.redaction.placeholders import FILLER, Kind, Span

# Lower case, and each part of what `_ASSIGNMENT` looks for: without one there is nothing to find.
_SYLLABLES = word_set(
    """
pass pwd secret token key auth cookie cred jwt bearer cvv cvc ssn otp pin phrase conn sig sid
security national phone mobile code sessid sessionid mnemonic account card answer
    """
)

_ASSIGNMENT = re.compile(
    r"""
    (?P<term>pass(?:word|wd|phrase|code|port)?|pwd|secret|token|key|auth|cookie|cred|jwt|bearer|cv[vc]
      |ssn|otp|pin|phrase|conn(?:ection)?[_ -]?str|sig|sess(?:ion)?id|sid|security|national|mnemonic
      |phone|mobile|account|card
      |(?:recovery|backup|verification|mfa|factor|2fa|security)[_ -]?(?:code|answer))
    (?P<tail>[\w.-]{0,32}+(?:\ (?:key|token|secret|string|phrase|code|number|id)s?(?=[ \t]{0,4}(?:[:=]|is\b|was\b)))?)
    (?P<close>(?:\\{0,15}["'`])?\]?)
    (?P<sep>[ \t]{0,4}(?:=>|:=|==|[:=])[ \t]{0,4}|[ \t]{1,4}(?:is|was)[ \t]{1,4}:?[ \t]?|[ \t]{1,4})
    """,
    re.X | re.I,
)
_LEFT_REVERSED = re.compile(r"[\w.-]*(?: [A-Za-z]+)?")
_LONGEST_LEFT = 48

# A value is judged by this much of it; only one that goes is followed to its end.
_JUDGED = 2048

_OPENING_QUOTE = re.compile(r"""[fFrRbBuU]{0,2}(?P<quote>\\{0,15}["'`])""")
_UNQUOTED = re.compile(
    r"""(?:[^\s"'`<>\\,;&]
        |[,;&](?!\s|$|[ ]?[\w.-]{1,40}=)            # a separator only before the next pair, or at the end
        |\\(?!\\*["'nrt]))+""",
    re.X,
)
_CLOSERS = ")]},.;:"
_LINE = r"(?:[^\r\n\\]|\\(?!\\*[nr\"']))"
_HEADER = {quote: re.compile(f"(?:(?!{quote}){_LINE})+") for quote in "\"'`"} | {"": re.compile(f"{_LINE}+")}
_SCHEME = re.compile(r"(?i:bearer|basic|token|apikey|key)[ \t]{1,4}")
_LONG_SCHEME = re.compile(r"(?i:digest|negotiate|aws4-hmac-sha256|oauth|hawk|signature|ntlm)[ \t]")
_CREDENTIAL = re.compile(r"""[^\s"'`,;<>\\]+""")
_COOKIE_PAIR = re.compile(r"[\w.$!%-]{1,128}=[^\s;,]")
_ALONE = re.compile(r"[ \t]*(?:#.*)?(?:[\r\n]|\Z)")
_LINE_START = re.compile(r"(?:^|[\r\n]|\\n)[ \t>-]*(?:export[ \t]|set[ \t])?[ \t]*\Z")

_ELEMENT = re.compile(r"<(?P<name>[A-Za-z][\w:.-]{0,64})(?: [^<>]{0,200})?>(?P<body>[^<>]{1,4096})</")


def find_assignments(text: str) -> Iterator[Span]:
    """The values in `text` that stand behind a telling name."""
    lowered = text.lower()
    if not any(syllable in lowered for syllable in _SYLLABLES):
        return
    covered = 0
    for match in _ASSIGNMENT.finditer(text):
        # Inside a value that goes there is nothing left to find, and looking would take quadratic time.
        if match.end() >= covered and (span := _assigned(text, match)):
            covered = span.end
            yield span
    if "</" in text:
        for match in _ELEMENT.finditer(text):
            found = telling(match["name"])
            body = match["body"]
            if found and not is_reference(body) and _meets(found, body):
                yield Span(match.start("body"), match.end("body"), found.kind)


def _meets(found: Telling, value: str) -> bool:
    return found.condition is None or found.condition(value)


def _assigned(text: str, match: re.Match[str]) -> Span | None:
    start, name, flag = _whole_name(text, match)
    separator = match["sep"]
    if not separator.strip() and not flag:
        return None
    found = telling(name)
    if found is None:
        return None
    position = match.end()
    quoted = _QUOTED.match(text, position)
    if quoted and not _closes_earlier_quote(match, quoted["body"]):
        return _in_quotes(found, quoted)
    if found.kind in (Kind.AUTHORIZATION, Kind.COOKIE) and found.condition is None and ":" in separator:
        return _in_header(text, start, position, found.kind)
    bare = _UNQUOTED.match(text, position)
    if bare is None:
        return None
    value = bare[0].rstrip(_CLOSERS)
    if not _is_secret(found, value, text=text, start=start, bare=bare, separator=separator, flag=flag):
        return None
    return Span(position, position + len(value), found.kind)


def _whole_name(text: str, match: re.Match[str]) -> tuple[int, str, bool]:
    """Where the name starts, the name, and whether it is a flag of a command line."""
    start = match.start()
    left = _LEFT_REVERSED.match(text[max(0, start - _LONGEST_LEFT) : start][::-1])
    before = left[0][::-1] if left else ""
    first = start - len(before)
    if before[:1] in ("n", "r", "t") and text[first - 1 : first] == "\\":
        before, first = before[1:], first + 1
    return first, before + match["term"] + match["tail"], before.rpartition(" ")[2].startswith("-")


def _closes_earlier_quote(match: re.Match[str], body: str) -> bool:
    """`input("Password: ")`: the quote behind the colon ends a text that began before the name."""
    return not match["close"] and match["sep"].endswith(" ") and (not body or body[0] in " ,)]}+;")


def _in_quotes(found: Telling, quoted: re.Match[str]) -> Span | None:
    body = quoted["body"]
    start, end = quoted.span("body")
    if found.kind is Kind.AUTHORIZATION and (scheme := _SCHEME.match(body)):
        start += scheme.end()
        body = body[scheme.end() :]
    if is_reference(body) or not body.strip(FILLER + " ") or not _meets(found, body):
        return None
    return Span(start, end, found.kind)


def _in_header(text: str, start: int, position: int, kind: Kind) -> Span | None:
    before = text[start - 1 : start]
    line = _HEADER[before if before in _HEADER else ""].match(text, position)
    if line is None:
        return None
    if kind is Kind.COOKIE:
        return Span(position, line.end(), kind) if _COOKIE_PAIR.match(line[0]) else None
    if _LONG_SCHEME.match(line[0]):
        return Span(position, line.end(), kind)
    scheme = _SCHEME.match(text, position)
    value = _CREDENTIAL.match(text, scheme.end() if scheme else position)
    if value is None or is_reference(value[0]):
        return None
    secret = any(map(str.isdecimal, value[0])) or len(value[0]) >= 20
    return Span(value.start(), value.end(), kind) if secret and len(value[0]) >= 6 else None


def _is_secret(
    found: Telling,
    value: str,
    *,
    text: str,
    start: int,
    bare: re.Match[str],
    separator: str,
    flag: bool,
) -> bool:
    """Whether an unquoted value behind an unquoted or quoted name is a secret."""
    if not value.strip(FILLER) or is_reference(value):
        return False
    if found.condition is not None:
        return found.condition(value)
    code = is_code(bare[0]) or is_code(value)
    if separator == "=" or flag:
        if code or is_ordinary_word(value) or (flag and is_identifier(value) and value.isupper()):
            return False
        # `login(password=pw)` hands on a variable.
        following = bare[0][len(value) :][:1] or text[bare.end() : bare.end() + 1]
        return not (is_identifier(value) and following in (",", ")"))
    if code:
        return False
    if looks_chosen(value) or looks_random(value) or looks_digits(value):
        return True
    if found.kind not in (Kind.PASSWORD, Kind.SECRET) or "is" in separator or "was" in separator:
        return False
    # `password: correcthorse` alone on a line of a configuration file.
    return (
        value.isalpha()
        and len(value) >= 6
        and not is_ordinary_word(value)
        and telling(value) is None
        and _LINE_START.search(text[max(0, start - 32) : start]) is not None
        and _ALONE.match(text, bare.end()) is not None
    )
