"""Makes up secrets, people and numbers: all from one seed, all in pieces that no scanner takes for real."""

# ruff: noqa: E501  One template or number a line reads best.

import base64
import json
import random
import string

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = LOWER + UPPER + DIGITS
HEX = "0123456789abcdef"

rng = random.Random(20261123)


def some(alphabet: str, length: int) -> str:
    """Random text."""
    return "".join(rng.choices(alphabet, k=length))


def digits(length: int) -> str:
    return str(rng.randint(1, 9)) + some(DIGITS, length - 1)


def base64url(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt() -> str:
    head = base64url({"alg": rng.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"})
    body = base64url({"sub": digits(7), "iss": "https://id.example", "exp": 1900000000})
    return f"{head}.{body}.{some(ALNUM + '-_', 43)}"


def tokens() -> dict[str, tuple[str, str]]:
    """One token of every vendor, by vendor, with its kind."""
    upper = UPPER + DIGITS
    return {
        "openai": ("sk" + "-" + some(ALNUM, 48), "api_key"),
        "openai-project": ("sk-" + "proj-" + some(ALNUM + "-_", 120) + "A", "api_key"),
        "openai-service": ("sk-" + "svcacct-" + some(ALNUM, 60), "api_key"),
        "anthropic": ("sk-" + "ant-api03-" + some(ALNUM + "-_", 92) + "AA", "api_key"),
        "openrouter": ("sk-" + "or-v1-" + some(HEX, 64), "api_key"),
        "github": ("gh" + rng.choice("pousr") + "_" + some(ALNUM, 36), "token"),
        "github-fine": ("github" + "_pat_" + some(ALNUM, 22) + "_" + some(ALNUM, 59), "token"),
        "gitlab": ("gl" + "pat-" + some(ALNUM + "-_", 19) + "x", "token"),
        "slack-bot": ("xo" + f"xb-{digits(12)}-{digits(13)}-{some(ALNUM, 24)}", "token"),
        "slack-app": ("xa" + f"pp-1-A0{some(upper, 9)}-{digits(13)}-{some(HEX, 64)}", "token"),
        "aws-id": ("AK" + "IA" + some(UPPER + "234567", 16), "api_key"),
        "aws-session-id": ("AS" + "IA" + some(UPPER + "234567", 16), "api_key"),
        "google": ("AI" + "za" + "Sy" + some(ALNUM + "-_", 32) + "k", "api_key"),
        "google-oauth": ("ya" + "29." + "a0Af" + some(ALNUM + "-_", 80) + "7", "token"),
        "google-client": ("GOC" + "SPX-" + some(ALNUM, 28), "secret"),
        "stripe": ("sk" + "_live_" + some(ALNUM, rng.choice([24, 99])), "api_key"),
        "stripe-test": ("rk" + "_test_" + some(ALNUM, 24), "api_key"),
        "stripe-hook": ("wh" + "sec_" + some(ALNUM, 32), "secret"),
        "sendgrid": ("S" + "G." + some(ALNUM, 22) + "." + some(ALNUM, 43), "api_key"),
        "twilio": ("S" + "K" + some(HEX, 32), "api_key"),
        "npm": ("np" + "m_" + some(ALNUM, 36), "token"),
        "pypi": ("py" + "pi-" + "AgEIcHlwaS5vcmc" + some(ALNUM + "-_", 120) + "4", "token"),
        "hugging-face": ("h" + "f_" + some(ALNUM, 34), "token"),
        "digitalocean": ("do" + "p_v1_" + some(HEX, 64), "token"),
        "shopify": ("sh" + "pat_" + some(HEX, 32), "api_key"),
        "mailgun": ("ke" + "y-" + some(HEX, 32), "api_key"),
        "mailchimp": (some(HEX, 32) + "-us" + str(rng.randint(1, 21)), "api_key"),
        "telegram": (digits(10) + ":AA" + some(ALNUM + "-_", 32) + "Q", "token"),
        "discord": ("M" + some(ALNUM, 24) + "7." + "G" + some(ALNUM, 5) + "." + some(ALNUM, 38), "token"),
        "databricks": ("da" + "pi" + some(HEX, 32), "token"),
        "vault": ("hv" + "s." + "CAES" + some(ALNUM, 90), "token"),
        "docker": ("dck" + "r_pat_" + some(ALNUM, 27), "token"),
        "atlassian": ("AT" + "ATT3x" + "FfGF0" + some(ALNUM + "-_", 170) + "=" + some(upper, 8), "token"),
        "notion": ("nt" + "n_" + digits(11) + some(ALNUM, 35), "token"),
        "linear": ("lin" + "_api_" + some(ALNUM, 40), "token"),
        "supabase": ("sb" + "p_" + some(HEX, 40), "token"),
        "groq": ("gs" + "k_" + some(ALNUM, 52), "api_key"),
        "perplexity": ("ppl" + "x-" + some(ALNUM, 48), "api_key"),
        "grafana": ("gl" + "sa_" + some(ALNUM, 32) + "_" + some(HEX, 8), "api_key"),
        "newrelic": ("NR" + "AK-" + some(upper, 27), "api_key"),
        "square": ("sq0" + "csp-" + some(ALNUM + "-_", 42) + "a", "secret"),
        "jwt": (jwt(), "jwt"),
    }


def private_key(newline: str = "\n") -> tuple[str, str]:
    """The block of a key, and a line of it that must not survive."""
    kind = rng.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "])
    start = {"OPENSSH ": "b3BlbnNzaC1rZXktdjE", "EC ": "MHcCAQEEI"}.get(kind, "MIIEvQIBADANBgkq")
    rows = [start + some(ALNUM + "+/", 64 - len(start))]
    rows += [some(ALNUM + "+/", 64) for _ in range(rng.randint(2, 5))] + [some(ALNUM + "+/", 31) + "="]
    label = kind + "PRIVATE" + " KEY"
    return newline.join([f"-----BEGIN {label}-----", *rows, f"-----END {label}-----"]), rows[1]


def chosen_password() -> str:
    """As people choose them."""
    word = rng.choice(["Sommer", "dragon", "Kestrel", "harbour", "Monday", "liverpool", "Tr0ub", "maple"])
    return (
        word + rng.choice(["2024", "77", "_88", "-19x", "4dor", "99"]) + rng.choice(["!", "#", "", "$", "x"])
    )


def secret_value() -> str:
    """As a generator of secrets makes them."""
    return rng.choice(
        [
            lambda: some(HEX, 40) + "7a",
            lambda: some(ALNUM, 32) + "q4Z",
            lambda: some(ALNUM + "-_", 43) + "x1",
            lambda: some(ALNUM + "+/", 43) + "=",
            lambda: "v9" + some(LOWER + DIGITS, 24),
        ]
    )()


NAMES = [
    "anna",
    "ben",
    "chidi",
    "dora",
    "emeka",
    "farah",
    "giulia",
    "hiro",
    "ines",
    "jonas",
    "kavya",
    "liam",
    "mina",
    "nuno",
    "olga",
    "priya",
]
FAMILIES = [
    "abbott",
    "berg",
    "costa",
    "diaz",
    "eriksen",
    "fischer",
    "gomez",
    "haddad",
    "ito",
    "jensen",
    "kaya",
    "lopez",
    "moreau",
    "novak",
]
HOSTS = [
    "northwind.io",
    "quayside.co.uk",
    "lindenhof.de",
    "mistral-labs.fr",
    "oakandash.com",
    "tanaka.co.jp",
    "uni-ghent.be",
]


def email() -> str:
    name, family = rng.choice(NAMES), rng.choice(FAMILIES)
    local = rng.choice(
        [
            f"{name}.{family}",
            f"{name[0]}{family}",
            f"{name}+orders",
            f"{name}_{family}{rng.randint(1, 99)}",
            name,
        ]
    )
    return f"{local}@{rng.choice(HOSTS)}"


def phone() -> str:
    """A number as people write it, somewhere in the world."""
    d = digits
    area = f"{rng.randint(2, 9)}{rng.choice('02345678')}{rng.randint(1, 9)}"
    exchange = f"{rng.randint(2, 9)}{d(2)}"
    return rng.choice(
        [
            f"+1 {area}-{exchange}-{d(4)}",
            f"({area}) {exchange}-{d(4)}",
            f"{area}-{exchange}-{d(4)}",
            f"{area}.{exchange}.{d(4)}",
            f"+1{area}{exchange}{d(4)}",
            f"+44 20 7{d(3)} {d(4)}",
            f"+44 7{d(3)} {d(6)}",
            f"07{d(3)} {d(6)}",
            f"020 7{d(3)} {d(4)}",
            f"+49 30 {d(7)}",
            f"+49 (0)89 {d(8)}",
            f"0171 {d(7)}",
            f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"06 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"+91 9{d(4)} {d(5)}",
            f"+81-3-{d(4)}-{d(4)}",
            f"+55 (11) 9{d(4)}-{d(4)}",
            f"+61 4{d(2)} {d(3)} {d(3)}",
        ]
    )


def luhn_digit(number: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def grouped(number: str, sizes: tuple[int, ...], gap: str) -> str:
    parts: list[str] = []
    for size in sizes:
        parts.append(number[:size])
        number = number[size:]
    return gap.join(parts)


def card(*, valid: bool = True) -> str:
    brand = rng.choice(["visa", "master", "master2", "amex", "discover", "jcb", "diners"])
    start, length = {
        "visa": ("4", 16), "master": (f"5{rng.randint(1, 5)}", 16), "master2": ("2345", 16),
        "amex": (rng.choice(["34", "37"]), 15), "discover": ("6011", 16), "jcb": ("3530", 16), "diners": ("36", 14),
    }[brand]  # fmt: skip
    number = start + some(DIGITS, length - len(start) - 1)
    check = luhn_digit(number)
    number += check if valid else str((int(check) + rng.randint(1, 9)) % 10)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4, 4))
    return rng.choice([number, grouped(number, sizes, " "), grouped(number, sizes, "-")])


_IBANS = {
    "DE": "d18", "FR": "d10a11d2", "GB": "u4d14", "ES": "d20", "IT": "u1d10a12", "NL": "u4d10", "CH": "d5a12",
    "AT": "d16", "BE": "d12", "PL": "d24", "SE": "d20", "PT": "d21", "NO": "d11", "IE": "u4d14", "SA": "d2a18",
}  # fmt: skip


def iban(*, valid: bool = True) -> str:
    country, form = rng.choice(list(_IBANS.items()))
    account = ""
    for part in form.replace("d", " d").replace("a", " a").replace("u", " u").split():
        account += some({"d": DIGITS, "a": UPPER + DIGITS, "u": UPPER}[part[0]], int(part[1:]))
    check = 98 - int("".join(str(int(sign, 36)) for sign in account + country + "00")) % 97
    if not valid:
        check = (check + rng.randint(1, 90)) % 97 + 2 if check > 90 else check + 3
    number = f"{country}{check:02}{account}"
    fours = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return rng.choice([number, fours])


def ipv4() -> str:
    first = rng.choice([10, 172, 192, 203, 198, 81, 34, 54, 100])
    second = {172: rng.randint(16, 31), 192: 168}.get(first, rng.randint(0, 255))
    return f"{first}.{second}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def ipv6() -> str:
    group = lambda: f"{rng.randint(256, 65535):x}"  # noqa: E731
    return rng.choice(
        [
            "2001:db8:" + ":".join(group() for _ in range(6)),
            f"2a02:{group()}:{group()}::{group()}",
            f"fe80::{group()}:{group()}:{group()}:{group()}",
            f"fd12:{group()}:{group()}::1",
        ]
    )
