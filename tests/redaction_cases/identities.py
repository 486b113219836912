"""Makes up the numbers that states give to people, with the check digits that their rules ask for."""

# ruff: noqa: E501  One template or number a line reads best.

from made_up import DIGITS, UPPER, digits, grouped, luhn_digit, rng, some


def _date() -> tuple[int, int, int]:
    return rng.randint(1940, 2005), rng.randint(1, 12), rng.randint(1, 28)


def social_security() -> str:
    """United States."""
    area = rng.choice([rng.randint(1, 665), rng.randint(667, 899)])
    return f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def national_insurance() -> str:
    """United Kingdom."""
    number = (
        rng.choice("ABCEHJKLMPRSTWXYZ")
        + rng.choice("ABCEHJKLMPRSTWXYZ")
        + some(DIGITS, 6)
        + rng.choice("ABCD")
    )
    if number[:2] in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
        number = "AB" + number[2:]
    return rng.choice([number, grouped(number, (2, 2, 2, 2, 1), " ")])


def dni() -> str:
    """Spain: of citizens, or of foreigners."""
    prefix = rng.choice(["", "", "X", "Y"])
    number = some(DIGITS, 7 if prefix else 8)
    letter = "TRWAGMYFPDXBNJZSQVHLCKE"[int(str("XY".index(prefix) if prefix else "") + number) % 23]
    return f"{prefix}{number}{rng.choice(['', '-'])}{letter}"


_ODD = dict(
    zip(
        DIGITS + UPPER,
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23],
        strict=True,
    )
)  # fmt: skip


def codice_fiscale() -> str:
    """Italy."""
    year, month, day = _date()
    consonants = "BCDFGLMNPRSTVZ"
    place = rng.choice("ABCDFGHL") + some(DIGITS, 3)
    body = (
        some(consonants, 6)
        + f"{year % 100:02}{'ABCDEHLMPRST'[month - 1]}{day + rng.choice([0, 40]):02}{place}"
    )
    even = {sign: DIGITS.index(sign) if sign in DIGITS else UPPER.index(sign) for sign in DIGITS + UPPER}
    total = sum((even if place % 2 else _ODD)[sign] for place, sign in enumerate(body))
    return body + UPPER[total % 26]


def nir() -> str:
    """France."""
    year, month, _ = _date()
    body = f"{rng.choice('12')}{year % 100:02}{month:02}{rng.randint(1, 95):02}{rng.randint(1, 990):03}{some(DIGITS, 3)}"
    number = body + f"{97 - int(body) % 97:02}"
    return rng.choice([number, grouped(number, (1, 2, 2, 2, 3, 3, 2), " ")])


def personnummer() -> str:
    """Sweden."""
    year, month, day = _date()
    body = f"{year % 100:02}{month:02}{day:02}{some(DIGITS, 3)}"
    return f"{body[:6]}-{body[6:]}{luhn_digit(body)}"


def henkilotunnus() -> str:
    """Finland."""
    year, month, day = _date()
    start, serial = f"{day:02}{month:02}{year % 100:02}", f"{rng.randint(2, 899):03}"
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(start + serial) % 31]
    return f"{start}{'-' if year < 2000 else 'A'}{serial}{check}"


def ahv() -> str:
    """Switzerland."""
    body = "756" + some(DIGITS, 9)
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10
    return grouped(f"{body}{check}", (3, 4, 4, 2), ".")


def cpf() -> str:
    """Brazil."""
    number = some(DIGITS, 9)
    for _ in range(2):
        total = sum(
            int(digit) * weight for digit, weight in zip(number, range(len(number) + 1, 1, -1), strict=True)
        )
        number += str(total * 10 % 11 % 10)
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def pesel() -> str:
    """Poland."""
    year, month, day = _date()
    body = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{day:02}{some(DIGITS, 4)}"
    check = -sum(
        int(digit) * weight for digit, weight in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)
    )
    return f"{body}{check % 10}"


def bsn() -> str:
    """Netherlands."""
    while True:
        body = digits(8)
        check = sum(int(digit) * weight for digit, weight in zip(body, range(9, 1, -1), strict=True)) % 11
        if check < 10:
            return f"{body}{check}"


_D = [
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
]  # fmt: skip
_P = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]


def aadhaar() -> str:
    """India; the check digit is Verhoeff's."""
    body = str(rng.randint(2, 9)) + some(DIGITS, 10)
    state = 0
    for place, digit in enumerate(reversed(body), 1):
        state = int(_D[state][int(_P[place % 8][int(digit)])])
    check = next(digit for digit in DIGITS if _D[state][int(digit)] == "0")
    return grouped(body + check, (4, 4, 4), " ")


def pan() -> str:
    """India, for taxes."""
    return some(UPPER, 3) + "P" + some(UPPER, 1) + some(DIGITS, 4) + some(UPPER, 1)


def social_insurance() -> str:
    """Canada."""
    body = str(rng.choice([1, 2, 4, 5, 6, 7])) + some(DIGITS, 7)
    return grouped(body + luhn_digit(body), (3, 3, 3), rng.choice([" ", "-"]))


EVERYWHERE = {
    "ssn": social_security,
    "nino": national_insurance,
    "dni": dni,
    "codice-fiscale": codice_fiscale,
    "nir": nir,
    "ahv": ahv,
    "cpf": cpf,
    "aadhaar": aadhaar,
    "henkilotunnus": henkilotunnus,
}
"""Known by their own form: they must go wherever they stand."""

NAMED = {
    "personnummer": personnummer,
    "PESEL": pesel,
    "BSN": bsn,
    "PAN": pan,
    "SIN": social_insurance,
    "SSN": social_security,
    "NINO": national_insurance,
    "CPF": cpf,
    "DNI": dni,
    "codice fiscale": codice_fiscale,
}
"""Told by the word before them: many an order number looks the same."""
