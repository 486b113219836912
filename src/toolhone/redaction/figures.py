"""Numbers that name a person, an account or a machine: cards, IBANs, phones, identities, IP addresses."""

import ipaddress
import re
from collections.abc import Iterator

from toolhone.redaction.identities import find_named, find_numbers, luhn, names_identities
from toolhone.redaction.placeholders import Kind, Span
from toolhone.redaction.shapes import EDGE

# The patterns for numbers look behind themselves, which is slow: they only see pieces such as these.
_PIECE = re.compile(r"[0-9][0-9A-Z .()\u00a0+-]{3,}[0-9A-Z]")

SHORTEST_CARD = 10**13
"""Numbers below have fewer digits than any card."""

_CARD = re.compile(
    # Not the digits behind a decimal point. Looked for ahead, because a wrong one may overlap a right one.
    r"(?<!\d)(?<!\d\.)(?=(?P<card>"
    r"(?:4|5[1-5]|2[2-7]|6[045]|62|35)\d{2,3}(?<=\d{4})(?P<gap>[ .\u00a0-])\d{4}"
    r"(?P=gap)\d{4}(?P=gap)\d{4}"
    r"|3[47]\d\d(?P<short>[ .\u00a0-])\d{6}(?P=short)\d{5}"
    r"|3[068]\d\d(?P<diners>[ .\u00a0-])\d{6}(?P=diners)\d{4}"
    r"|(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6011|6[245]\d\d|35[2-8]\d)\d{12}|62\d{15,17}|3[47]\d{13}|3[068]\d{12}"
    r")(?!\d))"
)

_PHONE = re.compile(
    r"(?:"
    r"(?<![\d+])(?:\+[1-9]\d{9,14}"
    r"|\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,5}\)[ .-]?)?\d{1,5}(?:[ .-]\d{2,8}){1,5}"
    r"|\+[1-9]\d{0,2}[ .-]?\(\d{1,5}\)[ .-]?\d{5,10})"
    r"|(?:(?<![\w+])|(?<=\\[nrt]))(?<!\d[.-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}"
    r")(?![\d]|[.-]\d)"
)

# Tried only where the letters stand: looking behind at every character would be slow.
_EDGE = re.compile(EDGE)
_IBAN_START = re.compile(r"[A-Z]{2}\d\d(?=[ -]?[A-Z0-9]{4})")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

_IPV4 = re.compile(r"[0-9]{1,3}+(?:\.[0-9]{1,3}){3}")
_LONGER_LEFT = re.compile(r"\d\.?\Z")
_LONGER_RIGHT = re.compile(r"\.?\d")
# What stands before four numbers that are a version, the product of a user agent, or a place in a text.
_BEFORE_VERSION = re.compile(
    r"(?:(?<![A-Za-z])(?:v|ver|version|versions|release|build|rev|oid|identifier|objectidentifier"
    r"|section|sections|sec|chapter|clause|article|figure|table|appendix|paragraph|step|item)"
    r"_{0,2}[\"'\\.:=( ]{0,5}"
    r"|\brfc[ ]?\d{3,5},?[ ]"
    r"|(?:^|[^\d.])\d{1,3}-|[=<>~!]=\s?|§\s?|\^|(?:^|[\s(;\"'])[A-Za-z][\w.-]{0,32}/)\Z",
    re.I,
)
_IN_FILE_NAME = re.compile(r"(?<=[A-Za-z][-_])\Z")
_AFTER_VERSION = re.compile(r"[ ](?:release|version)", re.I)
_FILE_SUFFIX = re.compile(r"[.-](?:[a-z]\w{0,3}\d?\b)", re.I)

_IPV6 = re.compile(
    r"(?:(?<!\w)|(?<=\\[nrt]))(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{3,41}"
    r"(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?!\w)"
)
# A colon before or behind the address is punctuation, two are part of it.
_PUNCTUATION = re.compile(r"\A:(?!:)|(?<!:):\Z")


def _iban_end(text: str, start: int) -> int | None:
    """Where the IBAN that starts here ends, or `None` if its check digits are wrong."""
    length = _IBAN_LENGTHS.get(text[start : start + 2])
    if length is None:
        return None
    characters = ""
    # Groups of four with a space or a hyphen between them make it longer by at most half.
    for position, character in enumerate(text[start : start + length * 3 // 2], start):
        if character.isascii() and (character.isdecimal() or character.isupper()):
            characters += character
            if len(characters) == length:
                number = "".join(str(int(sign, 36)) for sign in characters[4:] + characters[:4])
                return position + 1 if int(number) % 97 == 1 else None
        elif character not in " -":
            return None
    return None


def _is_version(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 40) : match.start()]
    if _BEFORE_VERSION.search(before) or _AFTER_VERSION.match(text, match.end()):
        return True
    return _IN_FILE_NAME.search(before) is not None and _FILE_SUFFIX.match(text, match.end()) is not None


def _names_nobody(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Loopback, unspecified, netmasks and whole networks are the same on every machine."""
    text = str(address)
    return address.is_loopback or address.is_unspecified or text.startswith("255.") or text.endswith(".0.0.0")


def _numbers(text: str, start: int, end: int) -> Iterator[Span]:
    # A date is shorter than most of them.
    length = end - start
    if length >= 14:
        for match in _CARD.finditer(text, start, end):
            if luhn("".join(filter(str.isdecimal, match["card"]))):
                yield Span(*match.span("card"), Kind.CARD)
    if length >= 7:
        yield from find_numbers(text, start, end)
        # Before the first digit there may be a plus and a bracket.
        for match in _PHONE.finditer(text, max(0, start - 2), end):
            if 8 <= sum(map(str.isdecimal, match[0])) <= 15:
                yield Span(match.start(), match.end(), Kind.PHONE)


def _addresses(text: str, *, version: bool) -> Iterator[Span]:
    if not version and text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            if _is_ipv4(text, match):
                yield Span(match.start(), match.end(), Kind.IP_ADDRESS)
    if "::" in text or text.count(":") >= 7:
        for match in _IPV6.finditer(text):
            address = _PUNCTUATION.sub("", match[0])
            if _is_ipv6(address):
                start = match.start() + match[0].index(address)
                yield Span(start, start + len(address), Kind.IP_ADDRESS)


def _is_ipv4(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    if _LONGER_LEFT.search(text, max(0, start - 2), start) or _LONGER_RIGHT.match(text, end):
        return False
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:
        return False
    return not _names_nobody(address) and not _is_version(text, match)


def _is_ipv6(text: str) -> bool:
    groups = [group for group in text.split(":") if group]
    # `a::b` is a name in C++ or Rust; eight pairs of hex digits are a hardware address.
    if len(groups) < 2 or not any(map(str.isdecimal, text)) or max(map(len, groups)) < 3:
        return False
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return not _names_nobody(address)


def find_figures(text: str, *, version: bool) -> Iterator[Span]:
    """Every such number in `text`.

    Args:
        text: What is read.
        version: Four numbers with dots in it are a version and not an address.
    """
    pieces = False
    for match in _PIECE.finditer(text):
        pieces = True
        yield from _numbers(text, match.start(), match.end())
    if pieces and names_identities(text):
        yield from find_named(text)
    for match in _IBAN_START.finditer(text):
        if _EDGE.match(text, match.start()) and (end := _iban_end(text, match.start())):
            yield Span(match.start(), end, Kind.IBAN)
    yield from _addresses(text, version=version)
