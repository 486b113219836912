"""What a value looks like: random, chosen by a person, a reference to something, or program code."""

import re


def word_set(listing: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(listing.split())


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
# A change of character class inside a word. Random text changes at every second character or so,
# words and numbers glued together (`report2024`, `userName`) far less often.
_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_LONGEST_JUDGED = 4096

_LETTER_BESIDE_DIGIT = re.compile(r"[A-Za-z][0-9]|[0-9][A-Za-z]")
_PERCENT_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{16,}")
# Names of ways to sign in, of algorithms and versions: oauth2, scram-sha-256, v1.2.
_METHOD = re.compile(
    r"(?:oauth|openid|saml|kerberos|krb|ntlm|aws|aws_?v|md|sha|hs|rs|es|ps|ed|x|tls|ssl|v|http|web|ipv|fido|u)"
    r"[_-]?\d[\d.]*",
    re.I,
)
_ONE_WORD = re.compile(r"[^\s/.:,;_()\[\]{}-]{8,}")
_QUANTITY = re.compile(r"\d[\d.,]*-?[A-Za-z]{1,10}")
_DIGIT_MARKED = re.compile(r"\w[0-9][!?]+\Z|[A-Za-z]_[0-9]{2}")
_SYMBOL = re.compile(r"[!@#$%^&*+=?~]")

_REFERENCE = re.compile(
    r"""
      \$[{(] | \$[A-Za-z_]+\Z | \{\{ | %\w+%\Z | <[^<>]*>\Z    # ${VAR}, $(command), {{ var }}, <your key>
    | [*\u2022x.\u2026_-]{2,}\Z                             # masked already
    | your[\s_-][A-Za-z\s_-]*\Z
    | (?:env|secrets?|vars?|vault)(?:\.[A-Za-z_]+)+\Z       # secrets.NAME
    | (?:env|op|ref|ssm|vault)://
    | (?:change|replace)[\s_-]?(?:me|this|it)\Z
    | (?:\.\.?|~)/[\w./-]+\Z                                 # ./password.txt
    """,
    re.X | re.I,
)
_TEMPLATE = re.compile(r"\$?\{\{?[^{}]{1,80}\}?\}|%\([^()]{1,40}\)s|%s|\$[A-Za-z_]+|<[\w -]{1,40}>")
_SCHEMES = word_set("basic bearer key token")

_CODE = re.compile(
    r"""
      [A-Za-z_][\w.]*[([](?:.*[)\]])?\Z             # call(...), item[...], or up to a quote in them
    | [A-Za-z_][\w.]*\([A-Za-z_][\w.]*\(.*\Z        # call(call(…
    | [A-Za-z_]+(?:(?:\.|->|::|\?\.)[A-Za-z_]+)+\Z  # settings.api_key
    | [(\[{] | [&*][A-Za-z_]\w*\Z | \|\Z
    | (?:await|new|return|not|lambda|function|async)\Z
    | (?:none|null|nil|true|false|yes|no|on|off|undefined|nan|self|this
        |str|string|strings|bytes|bytea|int|integer|number|float|bool|boolean|any|object|array|list|dict
        |text|varchar|char|uuid|byte|secretstr|unknown|void|never|default|value|password|passwd)
      [?!*]*\Z
    """,
    re.X | re.I,
)
_IDENTIFIER = re.compile(r"[A-Za-z_]+\Z")

# Words that stand after "password:" or "--token" in sentences, labels and status reports.
_ORDINARY_WORDS = word_set("""
    a an and are argument as at be been but by can cannot changed contains correct disabled does empty
    enabled enter expired failed field flag for forgotten from has have hidden if in incorrect input
    instead invalid is it keep length may message minimum missing must name never not of on only option
    optional or output parameter please policy protected provided random rejected required requires
    reset result set should strength that the this to too type updated use used uses value via was
    weak when which will with without wrong you your
    """)


def looks_random(value: str) -> bool:
    """Made by a generator: long enough, letters and digits mixed, no words to read."""
    if not 12 <= len(value) <= _LONGEST_JUDGED:
        return len(value) > _LONGEST_JUDGED and looks_random(value[:_LONGEST_JUDGED])
    if "://" in value or any(map(str.isspace, value)):
        return False
    letters_and_digits = sum(map(str.isalnum, value))
    return (
        sum(map(str.isdecimal, value)) >= 2
        and len(set(value)) >= 8
        and len(_CHANGE.findall(value)) >= max(4, letters_and_digits / 5)
    )


def looks_random_not_uuid(value: str) -> bool:
    """As `looks_random`, but a UUID is only a name."""
    return looks_random(value) and not _UUID.fullmatch(value)


def looks_random_or_uuid(value: str) -> bool:
    """As `looks_random`, and a UUID counts."""
    return looks_random(value) or _UUID.fullmatch(value) is not None


def looks_chosen(value: str) -> bool:
    """Picked by a person as a password: letters with digits inside, or with symbols."""
    if not 4 <= len(value) <= _LONGEST_JUDGED or "://" in value or _QUANTITY.fullmatch(value):
        return False
    mixed = (
        _LETTER_BESIDE_DIGIT.search(value)
        or _SYMBOL.search(value.rstrip("!?"))
        or _DIGIT_MARKED.search(value)
    )
    return mixed is not None and any(map(str.isalpha, value))


def looks_issued(value: str) -> bool:
    """Could be a token at the place where one is handed over, a query or an environment."""
    bare = _PERCENT_ESCAPE.sub("", value[:_LONGEST_JUDGED])
    if _LONG_HEX.fullmatch(bare):
        return True
    return (
        len(bare) >= 8
        and "://" not in bare
        and _LETTER_BESIDE_DIGIT.search(bare) is not None
        and _QUANTITY.fullmatch(bare) is None
    )


def looks_random_or_chosen(value: str) -> bool:
    """As `looks_random`, or a password of one word that is not the name of a method or version."""
    if looks_random(value):
        return True
    return _ONE_WORD.fullmatch(value) is not None and looks_chosen(_METHOD.sub("", value))


def looks_handed_over(value: str) -> bool:
    """As `looks_random`, or chosen by a person and not the name of a method or version."""
    return looks_random(value) or looks_chosen(_METHOD.sub("", value[:_LONGEST_JUDGED]))


def looks_digits(value: str) -> bool:
    """A PIN or a password of digits alone."""
    return 4 <= len(value) <= 64 and value.isdecimal()


def is_reference(value: str) -> bool:
    """Says where the secret is, or that there is none, instead of saying it."""
    if not value.strip() or _REFERENCE.match(value):
        return True
    rest = _TEMPLATE.sub("", value[:_LONGEST_JUDGED])
    return rest != value and (rest.strip(" :._/-").lower() or "key") in _SCHEMES


def is_code(value: str) -> bool:
    """An expression, a type or a literal word of a programming language."""
    return _CODE.match(value) is not None


def is_identifier(value: str) -> bool:
    """Could be a variable's name, and has no digits."""
    return _IDENTIFIER.match(value) is not None


def is_ordinary_word(value: str) -> bool:
    """A word of English that follows the name of a secret in sentences."""
    return value.lower() in _ORDINARY_WORDS
