"""How toolhone logs in to a downstream server: the `oauth` object of an entry, as hosts write it.

"docs":    {"url": "https://docs.example.org/mcp"}                          nothing need be said
"issues":  {"url": "…", "oauth": {"clientId": "…", "callbackPort": 8765, "scopes": "read write"}}
"metrics": {"url": "…", "oauth": {"grantType": "client_credentials", "clientId": "…",
                                  "clientSecret": "${SECRET}", "issuer": "https://login.example.org"}}
"plain":   {"url": "…", "oauth": false}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from toolhone.exceptions import ConfigurationError
from toolhone.models import Json, JsonObject

OAUTH_KEY = "oauth"
MACHINE = "client_credentials"
PERSON = "authorization_code"

_TEXTS = ("clientId", "clientSecret", "issuer")
_KNOWN = frozenset({*_TEXTS, "scopes", "scope", "callbackPort", "grantType"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """How to log in to one server. Holds an expanded secret: never write it anywhere."""

    client_id: str | None = None
    """As which toolhone is registered there already; `None` lets it register itself."""
    client_secret: str | None = field(default=None, repr=False)
    scopes: str | None = None
    """Separated by spaces; `None` asks for those that the server names."""
    callback_port: int | None = None
    """Where the browser comes back to, for registrations that name it."""
    issuer: str | None = None
    """The one authorization server that the client is registered with."""
    machine: bool = False
    """It logs in by itself, as a program; nobody is asked."""


def read_oauth(raw: Json, expand: Callable[[str, Json], str], headers: Mapping[str, str]) -> OAuth | None:
    """The object, or `None` if there is to be no login.

    Args:
        expand: Replaces variables in the value of a field, and says which field if one is not set.
        headers: What is sent to the server anyway.

    Raises:
        ConfigurationError: It cannot be used as it is.
    """
    if raw is False:
        return None
    if "authorization" in {name.lower() for name in headers}:
        if raw is None:
            return None
        raise ConfigurationError(
            "oauth: the header 'Authorization' is given too, and only one of the two can be sent.",
            data={"field": OAUTH_KEY},
        )
    if raw is None or raw is True:
        return OAuth()
    if not isinstance(raw, dict):
        raise _wrong(OAUTH_KEY, "an object, or false for no login")
    fields = cast("JsonObject", raw)
    texts = {key: _text(key, fields, expand) for key in _TEXTS}
    grant_type: Json = fields.get("grantType", PERSON)
    if grant_type not in (PERSON, MACHINE):
        raise _wrong("oauth.grantType", f"{PERSON} (a person logs in) or {MACHINE}")
    machine = grant_type == MACHINE
    missing = [key for key in _TEXTS if texts[key] is None]
    if machine and missing:
        raise _wrong(f"oauth.{missing[0]}", f"given with the grant type {MACHINE}")
    if texts["clientSecret"] is not None and texts["clientId"] is None:
        raise _wrong("oauth.clientId", "given with a clientSecret")
    issuer = texts["issuer"]
    if texts["clientSecret"] is not None and issuer is None:
        raise _wrong(
            "oauth.issuer",
            "given with a clientSecret: the address of the authorization server that the client is "
            "registered with. Without it, the server itself would name who gets the secret",
        )
    if issuer is not None and not issuer.startswith(("http://", "https://")):
        raise _wrong("oauth.issuer", "an address that begins with https://")
    return OAuth(
        client_id=texts["clientId"],
        client_secret=texts["clientSecret"],
        scopes=_scopes(fields, expand),
        callback_port=_port(fields),
        issuer=issuer,
        machine=machine,
    )


def is_scope(word: str) -> bool:
    """Whether RFC 6749 (3.3) has it: printable ASCII without spaces, quotes and backslashes."""
    return bool(word) and all("!" <= letter <= "~" and letter not in '"\\' for letter in word)


def unused_keys(raw: Json) -> list[str]:
    """What the object says that nothing here goes by: a host's own, or a word spelled wrong."""
    return sorted(set(cast("JsonObject", raw)) - _KNOWN) if isinstance(raw, dict) else []


def _text(key: str, fields: JsonObject, expand: Callable[[str, Json], str]) -> str | None:
    if fields.get(key) is None:
        return None
    value = expand(f"oauth.{key}", fields[key])
    if not value:
        raise _wrong(f"oauth.{key}", "a string that is not empty")
    return value


def _scopes(fields: JsonObject, expand: Callable[[str, Json], str]) -> str | None:
    given: Json = fields.get("scopes", fields.get("scope"))
    if given is None:
        return None
    words = cast("list[Json]", given) if isinstance(given, list) else [given]
    scopes = " ".join(expand("oauth.scopes", word) for word in words).split()
    if not scopes or not all(map(is_scope, scopes)):
        raise _wrong("oauth.scopes", "names separated by spaces, or a list of names")
    return " ".join(scopes)


def _port(fields: JsonObject) -> int | None:
    port: Json = fields.get("callbackPort")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536):
        raise _wrong("oauth.callbackPort", "a number from 1 to 65535")
    return port


def _wrong(field: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{field}: must be {expected}.", data={"field": field})
