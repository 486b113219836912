"""The kinds of things that are not kept, and the marks that stand in their place."""

import re
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What was taken out. The value is the word inside the mark."""

    API_KEY = "api_key"
    TOKEN = "token"
    PASSWORD = "password"
    PRIVATE_KEY = "private_key"
    CONNECTION_STRING = "connection_string"
    JWT = "jwt"
    AUTHORIZATION = "authorization"
    COOKIE = "cookie"
    SECRET = "secret"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    IP_ADDRESS = "ip_address"
    BINARY = "binary"
    OBJECT = "object"
    """Something JSON has no word for: its text could say anything, so none of it is kept."""
    TOO_DEEP = "too_deep"
    """Whatever stood below the deepest level that is read."""


class Span(NamedTuple):
    """A piece of the text that must go."""

    start: int
    end: int
    kind: Kind


OPENING = "[REDACTED:"
LARGEST_NUMBER = 9999
"""Of a mark: longer ones could be something that ought to go."""

_KINDS = "|".join(Kind)
# Only marks of known kinds count: `[REDACTED:hunter2]` is text like any other.
_MARK = re.compile(rf"\[REDACTED:(?:{_KINDS})(?: [1-9]\d{{0,3}}| \d{{1,12}} bytes)?\]")
NUMBERED = re.compile(rf"\[REDACTED:(?P<kind>{_KINDS}) (?P<number>[1-9]\d{{0,3}})\]")
"""A mark as `redact_record` leaves it."""

FILLER = "\x00"


def placeholder(kind: Kind) -> str:
    """The mark that stands where something of this kind was."""
    return f"{OPENING}{kind}]"


def numbered(kind: str, number: int) -> str:
    """The mark that stands for one certain thing of this kind, all through a record."""
    return f"{OPENING}{kind} {number}]"


def binary_placeholder(length: int) -> str:
    """The mark that stands where bytes were."""
    return f"{OPENING}{Kind.BINARY} {length} bytes]"


def blank_marks(text: str) -> str:
    """The text with every mark overwritten by filler of the same length.

    The rules read this text, so that they neither take a mark for a secret nor read the kind's name
    in it as a key, while positions stay those of the real text.
    """
    if OPENING not in text:
        return text
    return _MARK.sub(lambda mark: FILLER * len(mark[0]), text)


def without_marks(text: str) -> str:
    """The text with every mark taken out."""
    return _MARK.sub("", text) if OPENING in text else text
