"""Secrets in text that only the name before them gives away: `password=…`, `--api-key …`, `Cookie: …`.

A name is any word before a separator, or a flag before a space; it is judged like a key of a JSON object.
Whether the value is a secret, and not prose or program code, is judged by its form: what is quoted or
written as in a shell (`KEY=value`) counts, `password: str` and `token = get_token()` do not.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from toolhone.redaction.keys import Telling, telling, telling_parameter
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

_ASSIGNMENT = re.compile(
    r"""
    (?<![\w.-])(?P<name>(?P<flag>-)?+[\d.-]*+[^\W\d][\w.-]*+)
    (?P<close>(?:\\{0,15}["'`])?\]?)
    (?P<sep>[ \t]{0,4}(?:=>|:=|==|[:=])[ \t]{0,4}
      |[ \t]{1,4}(?:is|was)[ \t]{1,4}:?[ \t]?
      |(?(flag)[ \t]{1,4}(?!-)|(?!)))
    """,
    re.X,
)
_LONGEST_NAME = 64
# "API key: …": these words name a secret only together with the one before them.
_SECOND_WORDS = word_set("key keys token tokens secret string phrase code number id")
_FIRST_WORD = re.compile(r"[A-Za-z]+(?=[ ]\Z)")

# A value is judged by this much of it; only one that goes is followed to its end.
_JUDGED = 2048

_OPENING_QUOTE = re.compile(r"""[fFrRbBuU]{0,2}(?P<quote>\\{0,15}(?:\"{3}|'{3}|["'`]))""")
_UNQUOTED = re.compile(
    r"""(?:[^\s"'`<>\\,;&]
        |[,;&](?!\s|$|[ ]?[\w.-]{1,40}=)            # a separator only before the next pair, or at the end
        |\\(?!\\*["'nrt]))+""",
    re.X,
)
_UNLESS_SET = ("?", "+")
_IN_QUERY = ("?", "&", "#")
_PARAMETER = re.compile(r"[^\s\"'`<>\\&#,;]+")
_NEXT_PAIR = re.compile(r"[\w.~%+/=-]{1,512}+&[\w.-]{1,40}=")
_ESCAPED_AMPERSAND = "u0026"
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

# "token q7Rt…": a word and a space are enough before what is long and random.
_SPOKEN = re.compile(r"[ \t][\"'`]?(?P<secret>(?:[\w+/=~-]|\.(?=\w)){20,})")
_LONG_RUN = re.compile(r"[\w+/=~.-]{20}")
_SPOKEN_NAME = re.compile(r"(?:(?<!\w)[A-Za-z]{1,24}[ ])?(?<![\w.-])[A-Za-z][\w-]{1,32}[\"'`]?[ \t]{0,3}\Z")

# One of these is in every assignment, and looking for them is much faster.
_SIGNS = ("=", ":", "-", " is ", " was ")


def find_assignments(text: str) -> Iterator[Span]:
    """The values in `text` that stand behind a telling name."""
    if any(sign in text for sign in _SIGNS):
        covered = 0
        for match in _ASSIGNMENT.finditer(text):
            # Inside a value that goes there is nothing left to find, and looking would take quadratic time.
            if match.end() >= covered and (span := _assigned(text, match)):
                covered = span.end
                yield span
    for match in _SPOKEN.finditer(text) if _LONG_RUN.search(text) else ():
        if (name := _SPOKEN_NAME.search(text, max(0, match.start() - 64), match.start())) and (
            found := telling(name[0])
        ):
            secret = match["secret"]
            if _meets(found, secret) if found.condition else looks_random(secret):
                yield Span(*match.span("secret"), found.kind)
    if "</" in text:
        for match in _ELEMENT.finditer(text):
            found = telling(match["name"])
            body = match["body"]
            if found and not is_reference(body) and _meets(found, body):
                yield Span(match.start("body"), match.end("body"), found.kind)


def _meets(found: Telling, value: str) -> bool:
    return found.condition is None or found.condition(value)


def _assigned(text: str, match: re.Match[str]) -> Span | None:
    separator = match["sep"]
    start, name = _whole_name(text, match)
    position = match.end()
    shell = separator == "=" and name.isupper()
    found = telling_parameter(name)
    if found is None:
        return None
    query = separator == "=" and found.condition is not None and _in_query(text, start, position)
    if not (query or shell):
        found = telling(name)
        if found is None:
            return None
    if opening := _OPENING_QUOTE.match(text, position):
        closing = _closing(opening["quote"])
        end = _end(closing.search(text, opening.end(), opening.end() + _JUDGED), opening.end() + _JUDGED)
        body = text[opening.end() : end]
        if not _closes_earlier_quote(match, body):
            return _in_quotes(text, found, opening.end(), body, closing)
    if found.kind in (Kind.AUTHORIZATION, Kind.COOKIE) and found.condition is None and ":" in separator:
        return _in_header(text, start, position, found.kind)
    if text.startswith(_UNLESS_SET, position) and text.endswith("${", 0, start):
        # `${API_KEY:?missing}` says what happens without it.
        return None
    unquoted = found.written or (_PARAMETER if query else _UNQUOTED)
    bare = unquoted.match(text, position, position + _JUDGED)
    if bare is None:
        return None
    value = bare[0].rstrip(_CLOSERS)
    if not value.strip(FILLER) or is_reference(value) or _names_variable(name, value):
        return None
    if found.condition is not None:
        secret = found.condition(value) and not (is_code(value) or is_code(bare[0]))
    elif separator == "=" or separator.isspace():
        following = bare[0][len(value) :][:1] or text[bare.end() : bare.end() + 1]
        secret = _passed(value, following, flag=separator.isspace(), shell=shell)
    else:
        sentence = separator.strip(" \t:=>") != ""
        alone = not sentence and _stands_alone(text, start, bare.end())
        secret = _set(found.kind, value, code=is_code(bare[0]) or is_code(value), alone=alone)
    if not secret:
        return None
    if len(bare[0]) > _JUDGED // 2 and (whole := unquoted.match(text, position)):
        return Span(position, whole.end(), found.kind)
    return Span(position, position + len(value), found.kind)


def _whole_name(text: str, match: re.Match[str]) -> tuple[int, str]:
    """Where the name starts, and the name."""
    start, name = match.start(), match["name"][-_LONGEST_NAME:]
    if name[0] in "nrt" and text[start - 1 : start] == "\\":
        # The letter belongs to an escaped newline.
        return start + 1, name[1:]
    if name.startswith(_ESCAPED_AMPERSAND) and text[start - 1 : start] == "\\":
        length = len(_ESCAPED_AMPERSAND)
        return start + length, name[length:]
    if name.lower() in _SECOND_WORDS and (first := _FIRST_WORD.search(text, max(0, start - 24), start)):
        return first.start(), f"{first[0]} {name}"
    return start, name


def _in_query(text: str, start: int, position: int) -> bool:
    """Whether the pair stands among the parameters of a URL or a form."""
    if text[start - 1 : start] in _IN_QUERY or text.endswith(("&amp;", "\\u0026"), 0, start):
        return True
    # The first pair of a form.
    return _NEXT_PAIR.match(text, position, position + _JUDGED) is not None


@lru_cache
def _closing(quote: str) -> re.Pattern[str]:
    # Two single quotes are one inside a text of SQL or YAML.
    doubled = "(?!')" if quote == "'" else ""
    return re.compile(r"(?<!\\)" + re.escape(quote) + doubled + r"|[\r\n]")


def _end(closing: re.Match[str] | None, otherwise: int) -> int:
    return closing.start() if closing else otherwise


def _closes_earlier_quote(match: re.Match[str], body: str) -> bool:
    """`input("Password: ")`: the quote behind the colon ends a text that began before the name."""
    if match["close"] or (body and body[0] not in " ,)]}+;"):
        return False
    # `log('password:', password)`
    around = match.string[match.start() - 1 : match.start()] == match.string[match.end() : match.end() + 1]
    return around or match["sep"].endswith(" ")


def _in_quotes(text: str, found: Telling, start: int, body: str, closing: re.Pattern[str]) -> Span | None:
    if found.kind is Kind.AUTHORIZATION and (scheme := _SCHEME.match(body)):
        start += scheme.end()
        body = body[scheme.end() :]
        if not _is_credential(body):
            return None
    if is_reference(body) or not body.strip(FILLER + " ") or not _meets(found, body):
        return None
    return Span(start, _end(closing.search(text, start), len(text)), found.kind)


def _in_header(text: str, start: int, position: int, kind: Kind) -> Span | None:
    """A header's value goes up to the end of the line, or of the quotes it stands in with its name."""
    if _COOKIE_PAIR.match(text, position) if kind is Kind.COOKIE else _LONG_SCHEME.match(text, position):
        before = text[start - 1 : start]
        line = _HEADER[before if before in _HEADER else ""].match(text, position)
        return Span(position, line.end(), kind) if line else None
    if kind is Kind.COOKIE:
        return None
    scheme = _SCHEME.match(text, position)
    position = scheme.end() if scheme else position
    judged = _CREDENTIAL.match(text, position, position + _JUDGED)
    if judged is None or is_reference(judged[0]) or not _is_credential(judged[0]):
        return None
    whole = _CREDENTIAL.match(text, position) or judged
    return Span(position, whole.end(), kind)


def _is_credential(value: str) -> bool:
    """Not a word, as in "Bearer token" or "Authorization: the process of …"."""
    return len(value) >= 20 or (len(value) >= 6 and any(map(str.isdecimal, value)))


def _names_variable(name: str, value: str) -> bool:
    """`token=token` and `self.credentials = found` are program code."""
    return is_identifier(value) and (value == name or name.startswith(("self.", "this.", "cls.")))


def _passed(value: str, following: str, *, flag: bool, shell: bool) -> bool:
    """Whether `NAME=value`, `name=value` or `--name value` hands on a secret."""
    if shell:
        return True
    if is_code(value + following) or is_code(value) or is_ordinary_word(value):
        return False
    # `login(password=pw)` hands on a variable, and in `--password PASSWORD` the value is yet to come.
    variable = following in (",", ")") or (flag and value.isupper())
    return not (variable and is_identifier(value))


def _set(kind: Kind, value: str, *, code: bool, alone: bool) -> bool:
    """Whether `name: value` or `name = value` sets a secret and is neither prose nor code."""
    if code:
        return False
    if looks_chosen(value) or looks_random(value) or looks_digits(value):
        return True
    # `password: correcthorse` alone on a line of a configuration file.
    word = value.isalpha() and len(value) >= 6 and not is_ordinary_word(value)
    return alone and word and kind in (Kind.PASSWORD, Kind.SECRET) and telling(value) is None


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 32) : start]
    return _LINE_START.search(before) is not None and _ALONE.match(text, end) is not None
