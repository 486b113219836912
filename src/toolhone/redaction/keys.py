"""Which keys tell that their value is a secret.

A key is cut into words (`apiKey`, `api_key`, `X-Api-Key` are the same), and the words at its end decide,
because the last word says what a thing is: `password_confirmation` is a password, `password_length` is
not. Some words are only a hint (`token`, `key`): there the value must look like a secret as well.
Keys that name a position in a list (`page_token`, `cursor`) are no secrets, however random their
value: they give no rights.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from toolhone.redaction.identities import is_identity
from toolhone.redaction.likeness import (
    looks_chosen,
    looks_issued,
    looks_random,
    looks_random_not_uuid,
    looks_random_or_chosen,
    looks_random_or_uuid,
    word_set,
)
from toolhone.redaction.placeholders import Kind

LONGEST_KEY = 128


@dataclass(frozen=True, slots=True)
class Telling:
    """What a key says of its value."""

    kind: Kind
    condition: Callable[[str], bool] | None = None
    """What the value must look like; `None` if the key alone is enough."""
    written: re.Pattern[str] | None = None
    """How the value is written in a text without quotes, if it may have spaces in it."""


def _fits(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value.strip()) is not None


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")

# Words after the telling one that do not change what the value is. Numbers are such, too.
_NEUTRAL = word_set("""
    again b64 backup base64 confirm confirmation current dev encoded env hash hashed header live new
    old pem plain plaintext prod production raw repeat staging v value
    """)

_ALWAYS: dict[Kind, str] = {
    Kind.PASSWORD: """
        password passwd passphrase passcode userpassword dbpassword db_pass user_pass smtp_pass
        mail_pass email_pass ftp_pass admin_pass root_pass auth_pass redis_pass mysql_pass postgres_pass
        pg_pass ssh_pass sudo_pass login_pass passwort kennwort contrasena senha wachtwoord losenord
        salasana adgangskode""",
    Kind.API_KEY: """
        api_key apikey access_key secret_key secretkey account_key accountkey shared_key
        master_key secret_key_base subscription_key encryption_key signing_key application_key app_key
        appkey consumer_key service_key auth_key functions_key hmac_key session_key service_role_key
        openai_key anthropic_key stripe_key""",
    Kind.TOKEN: """
        access_token accesstoken refresh_token refreshtoken id_token auth_token authtoken bearer_token
        api_token apitoken session_token sessiontoken csrf_token csrftoken xsrf_token oauth_token
        bot_token security_token sas_token device_token registration_token verification_token
        reset_token invite_token login_token private_token secret_token admin_token service_token
        vault_token github_token gitlab_token slack_token npm_token hf_token middlewaretoken bearer""",
    Kind.PRIVATE_KEY: "private_key privatekey privkey",
    Kind.CONNECTION_STRING: "connection_string connectionstring conn_str conn_string connstr",
    Kind.JWT: "jwt",
    Kind.AUTHORIZATION: "authorization authorisation auth_header",
    Kind.COOKIE: "cookie setcookie",
    Kind.SECRET: """
        secret clientsecret appsecret credential cred basic_auth otp otp_code mnemonic seed_phrase
        recovery_phrase secret_phrase recovery_code backup_code verification_code mfa_code
        two_factor_code 2_fa_code security_answer""",
    Kind.CARD: "cvv cvc cvv2 card_cvc card_security_code",
    Kind.NATIONAL_ID: """
        ssn social_security_number social_security_no national_id national_insurance_number
        passport_number passport_no""",
}

_PHONE = Telling(
    Kind.PHONE,
    _fits(r"\+?(?:[\s()./-]*\d){7,15}[\s()./-]*(?:(?:x|ext\.?)\s*\d{1,6})?"),
    re.compile(r"\+?\(?\d(?:[ ()./-]{0,2}\d){6,14}(?!\w)"),
)
_CARD = Telling(Kind.CARD, _fits(r"(?:[\s.-]*\d){12,19}"))
_ACCOUNT = Telling(Kind.IBAN, _fits(r"(?:[A-Za-z]{2}\d{2})?(?:[\s-]*[A-Za-z0-9]){6,30}"))
_IDENTITY = Telling(Kind.NATIONAL_ID, is_identity)
_SESSION = Telling(Kind.COOKIE, looks_random_or_uuid)

_TELLING: dict[str, Telling] = {
    **{words: Telling(kind) for kind, table in _ALWAYS.items() for words in table.split()},
    **dict.fromkeys(
        word_set("phone telephone telefon telefono mobile mobil tel tlf fax whatsapp msisdn phone_number"),
        _PHONE,
    ),
    **dict.fromkeys(word_set("telephone_number mobile_number cell_number fax_number"), _PHONE),
    **dict.fromkeys(word_set("card_number cardnumber credit_card creditcard debit_card cc_number"), _CARD),
    **dict.fromkeys(word_set("iban bank_account bank_account_number"), _ACCOUNT),
    **dict.fromkeys(word_set("sid sessionid phpsessid jsessionid"), _SESSION),
    **dict.fromkeys(word_set("nino dni nie nif cpf pesel bsn aadhaar pan codice_fiscale"), _IDENTITY),
    **dict.fromkeys(word_set("personnummer tax_id steuer_id nhs_number hetu passport"), _IDENTITY),
    **dict.fromkeys(word_set("social_insurance_number national_insurance"), _IDENTITY),
    # Also an attribute of HTML, with one letter.
    "accesskey": Telling(Kind.API_KEY, _fits(r"\S{6,}")),
    # The shell's word for the current directory.
    "pwd": Telling(Kind.PASSWORD, _fits(r"(?![~/]|[A-Za-z]:[\\/]).+")),
    "pass": Telling(Kind.PASSWORD, looks_chosen),
    "passe": Telling(Kind.PASSWORD, looks_chosen),
    "pin": Telling(Kind.PASSWORD, _fits(r"\d{4,8}")),
    "auth": Telling(Kind.SECRET, looks_random_or_chosen),
    "sig": Telling(Kind.TOKEN, looks_random),
    "amz_signature": Telling(Kind.TOKEN, looks_issued),
    "amz_credential": Telling(Kind.API_KEY, looks_random),
}

_SOME_TOKEN = Telling(Kind.TOKEN, looks_random_or_uuid)
_SOME_KEY = Telling(Kind.SECRET, looks_random_not_uuid)

# Ends of words that are written as one with what they belong to: PGPASSWORD, GITHUBTOKEN.
_ENDINGS: dict[str, Telling] = {
    **dict.fromkeys(("password", "passwd", "passphrase"), Telling(Kind.PASSWORD)),
    "secret": Telling(Kind.SECRET),
    "apikey": Telling(Kind.API_KEY),
    "token": _SOME_TOKEN,
}

# What hands over a right as a parameter of a URL, where the value needs look less random.
_PARAMETERS: dict[str, Telling] = {
    "token": Telling(Kind.TOKEN, looks_issued),
    "sig": Telling(Kind.TOKEN, looks_issued),
    "signature": Telling(Kind.TOKEN, looks_issued),
}
# The one-time code of a sign-in. Codes of other things have a word before them, or are short.
_SIGN_IN_CODES = word_set("code auth_code authorization_code")
_SIGN_IN_CODE = Telling(Kind.SECRET, looks_random)

# Tokens that say where to go on, and keys that name or order things.
_POSITIONS = word_set("""
    page next continuation start end sync progress cancel cancellation resume skip delta prev previous
    first last cursor scroll watch change design
    """)
_NAMES = word_set("""
    public primary foreign partition sort range row cache object idempotency issue project file index
    unique composite natural lookup group routing map s3 translation i18n message state dedup
    deduplication sha etag fingerprint node document item answer hot query
    """)


def _hints() -> tuple[str, ...]:
    """Pieces of which every telling name contains one, as few as will do."""
    hints: list[str] = []
    for term in sorted(
        (*_TELLING, *_ENDINGS, *_SIGN_IN_CODES, "key"), key=lambda term: (term.count("_"), len(term))
    ):
        words = term.split("_")
        if not any(hint in word for hint in hints for word in words):
            hints.append(max(words, key=len))
    return tuple(hints)


_HINTS = _hints()
_LONGEST_TERM = max(words.count("_") for words in _TELLING) + 1


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _look_up(words: list[str]) -> Telling | None:
    for length in range(min(_LONGEST_TERM, len(words)), 0, -1):
        term = "_".join(words[-length:])
        # "pass" is too common a word to tell anything behind another one (boarding_pass, proxy_pass).
        if term in _TELLING and (term != "pass" or len(words) == 1):
            return _TELLING[term]
    qualifier = words[-2] if len(words) > 1 else ""
    if words[-1] == "token" and qualifier not in _POSITIONS:
        return _SOME_TOKEN
    if words[-1] == "key" and qualifier not in _NAMES:
        return _SOME_KEY
    for ending, found in _ENDINGS.items():
        # NOPASSWD says that there is none.
        if words[-1].endswith(ending) and words[-1] not in (ending, f"no{ending}"):
            return found
    return None


def _without_accents(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def key_words(key: str) -> list[str]:
    """The words of a key in lower case, plurals as singulars."""
    plain = key if key.isascii() else _without_accents(key)
    return [_singular(word.lower()) for word in _WORD.findall(plain)]


# Keys come back in every call; a key that is long enough to be something else is not held on to.
@lru_cache(maxsize=2048)
def _judge(key: str) -> Telling | None:
    words = key_words(key)
    while words:
        if found := _look_up(words):
            return found
        if words[-1] not in _NEUTRAL and not words[-1].isdecimal():
            return None
        words.pop()
    return None


def names_secrets(text: str) -> bool:
    """Whether `text` can contain a telling name at all; quick, because most texts cannot."""
    lowered = (text if text.isascii() else _without_accents(text)).lower()
    for hint in _HINTS:  # noqa: SIM110 - a generator costs more than all the comparisons
        if hint in lowered:
            return True
    return False


def telling(key: str) -> Telling | None:
    """What `key` says of its value, or `None` if it says nothing."""
    return _judge(key) if len(key) <= LONGEST_KEY else None


@lru_cache(maxsize=2048)
def _judge_parameter(name: str) -> Telling | None:
    found = telling(name)
    if found is not None and found.condition is None:
        return found
    words = key_words(name)
    if "_".join(words) in _SIGN_IN_CODES:
        return _SIGN_IN_CODE
    if found is _SOME_TOKEN:
        return _PARAMETERS["token"]
    # A token that is only a position was no find, and must not become one.
    return found if words[-1:] in ([], ["token"]) else _PARAMETERS.get(words[-1], found)


def telling_parameter(name: str) -> Telling | None:
    """What the name of a URL's parameter or of an environment variable says of its value."""
    return _judge_parameter(name) if len(name) <= LONGEST_KEY else None


@lru_cache(maxsize=2048)
def _names_a_version(key: str) -> bool:
    return key_words(key)[-1:] in (["version"], ["ver"], ["release"], ["build"], ["oid"])


def names_a_version(key: str) -> bool:
    """Whether four numbers under `key` are a version and not an IP address."""
    return len(key) <= LONGEST_KEY and _names_a_version(key)
