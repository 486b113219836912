"""Numbers that states give to people, known by their form and check digit or by the name before them."""

import re
from collections.abc import Callable, Iterator

from toolhone.redaction.placeholders import Kind, Span
from toolhone.redaction.shapes import EDGE

_NUMBERS = re.compile(
    EDGE
    + r"""
    (?<![0-9][.-])(?:
      (?P<us>(?!000|666|9)\d{3}([- ])(?!00)\d\d\2(?!0000)\d{4})
    | (?P<gb>(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?P<gap>[ ]?)
        \d\d(?P=gap)\d\d(?P=gap)\d\d(?P=gap)[A-D])
    | (?P<es>(?:\d|[XYZ])\d{7}-?[A-Z])
    | (?P<it>[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])
    | (?P<fr>[12](?P<gaps>[ ]?)\d\d(?P=gaps)(?:0[1-9]|1[0-2]|[2-9]\d)(?P=gaps)\d[\dAB]
        (?P=gaps)\d{3}(?P=gaps)\d{3}(?P=gaps)\d\d)
    | (?P<ch>756\.\d{4}\.\d{4}\.\d\d)
    | (?P<br>\d{3}\.\d{3}\.\d{3}-\d\d)
    | (?P<in>(?<!\d{4}[ ])(?!(?:(?:19|20)\d\d[ -]?){3})[2-9]\d{3}
        (?P<space>[ -])\d{4}(?P=space)\d{4}(?![ -]\d))
    | (?P<fi>(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y])
    )(?![A-Za-z0-9]|-[0-9])
    """,
    re.X,
)

# Behind its name a number need not be right: a digit mistyped still names somebody.
_FORM = r"""
      \d{6}(?:\d\d)?[-+A]\d{3}[0-9A-Z]
    | \d{3}[ .-]\d{3}[ .-]\d{3}(?:-\d\d)?(?!\d)
    | \d{3}[ -]\d\d[ -]\d{4} | \d\d[ ]\d{3}[ ]\d{3}[ ]\d{3} | \d{3}[ -]\d{3}[ -]\d{4}
    | \d{4}[ -]\d{4}[ -]\d{4}
    | [12][ ]\d\d[ ]\d\d[ ]\d[\dAB][ ]\d{3}[ ]\d{3}[ ]\d\d
    | [A-Z]{5}\d{4}[A-Z] | [A-Z]{2}(?:[ ]?\d\d){3}[ ]?[A-D] | [A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]
    | [XYZ]?\d{7,8}-?[A-Z] | [A-Z]{0,2}\d{7,15}
    """
_NAMED = re.compile(
    rf"""
    (?:(?<![\w-])|(?<=\\[nrt]))(?:
      (?:BSN|SSN|SIN|NINO|DNI|NIE|NIF|CPF|NIR|AHV|PAN|PESEL)(?:[ -](?:[Nn]umber|[Nn]ummer|[Nn]o\.?|[Nn]r\.?))?
    | (?:bsn|ssn|nino|dni|cpf|pesel)(?=[\\"']{{0,3}}[ ]?[:=])
    | (?i:personnummer|pesel|burgerservicenummer|aadhaar|henkil\u00f6tunnus|hetu|codice[ _]fiscale
        |steuer-?id|steueridentifikationsnummer|sozialversicherungsnummer
        |(?:social[ _](?:security|insurance)|national[ _](?:insurance|id|identity)|passport|nhs|tax[ _]id)
          (?:[ _](?:number|no\.?|card))?)
    )
    (?:[\\"']{{0,3}}[ ]?[:=\#][ ]?[\\"']{{0,3}}|[ ](?:(?:is|was|no\.?|nr\.?)[ ])?)
    (?P<number>{_FORM})(?![A-Za-z0-9])
    """,
    re.X,
)
_FORM_ALONE = re.compile(_FORM, re.X)
_FOUR_DIGITS = re.compile(r"\d[\d -]{2,}\d")


def luhn(digits: str) -> bool:
    """Whether the check digit is right by the rule of card numbers."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _spain(number: str) -> bool:
    first = str("XYZ".find(number[0])) if number[0] in "XYZ" else number[0]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(first + number[1:8]) % 23] == number[-1]


_ODD_VALUES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _italy(number: str) -> bool:
    total = 0
    for position, character in enumerate(number[:15]):
        value = int(character) if character.isdecimal() else ord(character) - ord("A")
        total += value if position % 2 else _ODD_VALUES[value]
    return ord(number[15]) - ord("A") == total % 26


def _france(number: str) -> bool:
    # The departments of Corsica have a letter.
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return body.isdecimal() and 97 - int(body) % 97 == int(number[13:])


def _switzerland(number: str) -> bool:
    return sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(number)) % 10 == 0


def _brazil(number: str) -> bool:
    return number != number[0] * 11 and all(
        sum(int(digit) * (length + 1 - position) for position, digit in enumerate(number[:length]))
        * 10
        % 11
        % 10
        == int(number[length])
        for length in (9, 10)
    )


def _times(left: int, right: int) -> int:
    """The product in the group of the pentagon, over which Verhoeff's check digit is taken."""
    turned = left % 5 - right % 5 if left > 4 else left % 5 + right % 5
    return turned % 5 + (5 if (left > 4) != (right > 4) else 0)


_TURNED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _india(number: str) -> bool:
    check = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(position % 8):
            value = _TURNED[value]
        check = _times(check, value)
    return check == 0


def _finland(number: str) -> bool:
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(number[:6] + number[-4:-1]) % 31] == number[-1]


_CHECKS: dict[str, Callable[[str], bool]] = {
    "es": _spain,
    "it": _italy,
    "fr": _france,
    "ch": _switzerland,
    "br": _brazil,
    "in": _india,
    "fi": _finland,
}
_GAPS = str.maketrans("", "", " .-+")

# One of these stands in every text that names such a number; looking for them is much faster.
_ACRONYMS = ("BSN", "SSN", "SIN", "NINO", "DNI", "NIE", "NIF", "CPF", "NIR", "AHV", "PAN", "PESEL")
_NAMES = (
    *(
        "bsn",
        "ssn",
        "nino",
        "dni",
        "cpf",
        "personnummer",
        "pesel",
        "burgerservicenummer",
        "aadhaar",
        "henkil",
    ),
    *(
        "hetu",
        "codice",
        "steuer",
        "sozialversicherungsnummer",
        "social",
        "national",
        "passport",
        "nhs",
        "tax",
    ),
)
_LONGEST_START = 7
"""As many characters of a number stand before its first digit at most."""


def find_numbers(text: str, start: int, end: int) -> Iterator[Span]:
    """Every number that names a person by its form, with its first digit at or behind `start`."""
    for match in _NUMBERS.finditer(text, max(0, start - _LONGEST_START), end):
        check = _CHECKS.get(str(match.lastgroup))
        if check is None or check(match[0].translate(_GAPS)):
            yield Span(match.start(), match.end(), Kind.NATIONAL_ID)


def names_identities(text: str) -> bool:
    """Whether the name of such a number can stand in `text`."""
    for acronym in _ACRONYMS:
        if acronym in text:
            return True
    lowered = text.lower()
    for name in _NAMES:  # noqa: SIM110 - a generator costs more than all the comparisons
        if name in lowered:
            return True
    return False


def find_named(text: str) -> Iterator[Span]:
    """Every number that names a person by the word before it."""
    for match in _NAMED.finditer(text):
        yield Span(*match.span("number"), Kind.NATIONAL_ID)


def is_identity(value: str) -> bool:
    """Whether a value has the form of such a number, right or not."""
    bare = value.strip()
    return _FORM_ALONE.fullmatch(bare) is not None and _FOUR_DIGITS.search(bare) is not None
