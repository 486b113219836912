"""Access tokens of an authorization server."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from toolhone.auth import oauth
from toolhone.auth.oauth import AccessTokens, Granted
from toolhone.auth.signing_keys import FRESH, PAUSE, RETRY, STALE, SigningKeys
from toolhone.exceptions import (
    ConfigurationError,
    NotAuthenticatedError,
    RateLimitedError,
    ServerUnavailableError,
)
from toolhone.models import Json, JsonObject
from toolhone.roles import Role

ISSUER = "https://login.example.com/"
HERE = "192.0.2.1"
AUDIENCE = "https://tools.example.com/mcp"

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SMALL = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ec.generate_private_key(ec.SECP256R1())


def public(key: Json, algorithm: str, key_id: str | None, **more: str) -> JsonObject:
    told: JsonObject = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**told, "alg": algorithm, **({"kid": key_id} if key_id else {}), **more}


KEYS = [public(RSA, "RS256", "rsa"), public(EC, "ES256", "ec"), public(ED, "EdDSA", "ed")]


def signed(
    key: Json = EC, algorithm: str = "ES256", key_id: str | None = "ec", typ: str = "at+jwt", **claims: Json
) -> str:
    now = int(time.time())
    told: JsonObject = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "exp": now + 60,
        "iat": now,
        "toolhone_role": "agent",
        **claims,
    }
    told = {name: value for name, value in told.items() if value is not None}
    headers = {"typ": typ, **({"kid": key_id} if key_id else {})}
    return jwt.encode(told, key, algorithm=algorithm, headers=headers)


class Server:
    """The key set of an authorization server, counted."""

    def __init__(self, keys: list[JsonObject]) -> None:
        self.keys = keys
        self.read = 0
        self.down = False
        self.now = 1_000.0

    async def contents(self) -> bytes:
        self.read += 1
        if self.down:
            raise OSError("it is not there")
        return json.dumps({"keys": self.keys}).encode()

    def signing_keys(self) -> SigningKeys:
        return SigningKeys("https://login.example.com/keys", read=self.contents, clock=lambda: self.now)


def access(server: Server | None = None, *, role_claim: str = "toolhone_role") -> AccessTokens:
    keys = (server or Server(KEYS)).signing_keys()
    return AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, role_claim=role_claim)


async def refused(text: str, says: str) -> None:
    with pytest.raises(NotAuthenticatedError, match=says):
        await access().verify(text, address=HERE)


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")]
)
async def test_a_token_of_the_issuer_for_us_is_accepted(key: Json, algorithm: str, key_id: str) -> None:
    granted = await access().verify(signed(key, algorithm, key_id), address=HERE)
    assert isinstance(granted, Granted)
    assert granted.role is Role.AGENT
    named = hashlib.sha256(f"{ISSUER}\0alice".encode()).hexdigest()
    assert granted.principal == f"oauth:{named[:32]}"


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": int(time.time()) - 3_600}, "expired"),
        ({"nbf": int(time.time()) + 3_600}, "not yet valid"),
        ({"iss": "https://evil.example.com/"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"aud": "https://other.example.com/mcp"}, "[Aa]udience"),
        ({"aud": None}, "aud"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
    ],
)
async def test_what_was_made_for_somebody_or_some_time_else_is_not(claims: JsonObject, says: str) -> None:
    await refused(signed(**claims), says)


async def test_who_is_not_the_issuer_cannot_sign() -> None:
    await refused(signed(STRANGER), "not valid")
    await refused(signed(STRANGER, key_id="other"), "not the issuer's")
    await refused(signed(key_id=None), "not the issuer's")


async def test_a_changed_token_is_refused() -> None:
    head, body, signature = signed().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["toolhone_role"] = "admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    await refused(f"{head}.{forged}.{signature}", "not valid")


async def test_an_unsigned_token_is_refused() -> None:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 60, "toolhone_role": "admin"}
    await refused(jwt.encode(claims, "", algorithm="none", headers={"kid": "ec"}), "must be signed")


async def test_a_public_key_does_not_serve_as_a_shared_secret() -> None:
    # The attack of old: sign with HMAC, by the public key that everybody can read.
    def part(value: JsonObject) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    text = part({"alg": "HS256", "kid": "rsa"}) + "." + part({"iss": ISSUER, "aud": AUDIENCE, "sub": "a"})
    mac = hmac.new(json.dumps(KEYS[0]).encode(), text.encode(), hashlib.sha256).digest()
    await refused(f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}", "must be signed")


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "eyJ", "thk_x", "ü", "\x00", "." * 100, "e" * 100_000])
async def test_what_is_no_token_is_refused(text: str) -> None:
    await refused(text, "neither an API token nor an access token")


async def test_a_token_of_another_kind_is_refused() -> None:
    await refused(signed(typ="dpop+jwt"), "another kind")


async def test_a_key_for_encrypting_does_not_count() -> None:
    verifier = access(Server([public(EC, "ES256", "ec", use="enc"), KEYS[0]]))
    with pytest.raises(NotAuthenticatedError, match="not the issuer's"):
        await verifier.verify(signed(), address=HERE)


async def test_a_weak_key_does_not_count() -> None:
    keys = Server([public(SMALL, "RS256", "small"), KEYS[1]]).signing_keys()
    assert await keys.find("small") is None
    assert await keys.find("ec") is not None


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"toolhone_role": "viewer"}, Role.VIEWER),
        ({"toolhone_role": ["staff", "operator", "viewer"]}, Role.OPERATOR),
        ({"toolhone_role": "toolhone:admin"}, Role.ADMIN),
        ({"toolhone_role": None, "scope": "openid toolhone:agent"}, Role.AGENT),
        ({"toolhone_role": None, "scp": ["toolhone:viewer", "toolhone:agent"]}, Role.AGENT),
        # What this token was made for is less than what its subject may do.
        ({"toolhone_role": "admin", "scope": "toolhone:viewer"}, Role.VIEWER),
        ({"toolhone_role": "viewer", "scope": "toolhone:admin"}, Role.VIEWER),
        ({"toolhone_role": "admin", "scope": "openid profile"}, Role.ADMIN),
    ],
)
async def test_the_role_is_that_of_the_claim_as_far_as_the_scopes_go(claims: JsonObject, role: Role) -> None:
    assert (await access().verify(signed(**claims), address=HERE)).role is role


@pytest.mark.parametrize(
    "claims",
    [
        {"toolhone_role": None},
        {"toolhone_role": "root"},
        {"toolhone_role": {"agent": True}},
        {"toolhone_role": 4},
        {"toolhone_role": None, "scope": "agent admin"},
        {"toolhone_role": [["deep", {"admin": 1}]]},
    ],
)
async def test_who_has_no_role_here_is_refused(claims: JsonObject) -> None:
    await refused(signed(**claims), "gives no role")


async def test_another_claim_can_have_the_role() -> None:
    verifier = access(role_claim="groups")
    assert (
        await verifier.verify(signed(toolhone_role=None, groups=["operator"]), address=HERE)
    ).role is Role.OPERATOR


async def test_a_new_key_is_learned_and_a_withdrawn_one_forgotten() -> None:
    server = Server([KEYS[0]])
    verifier = access(server)
    await verifier.verify(signed(RSA, "RS256", "rsa"), address=HERE)
    server.keys = [KEYS[1]]
    with pytest.raises(NotAuthenticatedError):
        await verifier.verify(signed(), address=HERE)  # asked too soon again
    assert server.read == 1
    server.now += PAUSE
    await verifier.verify(signed(), address=HERE)
    with pytest.raises(NotAuthenticatedError):
        await verifier.verify(signed(RSA, "RS256", "rsa"), address=HERE)
    assert server.read == 2


async def test_unknown_keys_do_not_make_us_ask_again_and_again() -> None:
    server = Server(KEYS)
    verifier = access(server)
    for number in range(100):
        with pytest.raises(NotAuthenticatedError):
            await verifier.verify(signed(STRANGER, key_id=f"made-up-{number}"), address=HERE)
    assert server.read == 1


async def test_keys_that_cannot_be_read_again_serve_for_a_day() -> None:
    server = Server(KEYS)
    verifier = access(server)
    await verifier.verify(signed(), address=HERE)
    server.down = True
    server.now += FRESH + 1
    await verifier.verify(signed(), address=HERE)
    server.now += STALE
    with pytest.raises(ServerUnavailableError, match="cannot be read"):
        await verifier.verify(signed(), address=HERE)


async def test_keys_that_could_never_be_read_are_asked_for_again_soon() -> None:
    server = Server(KEYS)
    verifier = access(server)
    server.down = True
    for _ in range(10):
        with pytest.raises(ServerUnavailableError):
            await verifier.verify(signed(), address=HERE)
    assert server.read == 1
    server.down = False
    server.now += RETRY
    assert (await verifier.verify(signed(), address=HERE)).role is Role.AGENT


async def test_who_forges_keeps_out_neither_who_was_good_before_nor_others_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oauth, "FAILING_SIGNATURES", 3)
    verifier = access()
    known, new = signed(), signed(sub="bob")
    await verifier.verify(known, address=HERE)
    for _ in range(3):
        with pytest.raises(NotAuthenticatedError):
            await verifier.verify(signed(STRANGER), address=HERE)
    with pytest.raises(RateLimitedError):
        await verifier.verify(signed(STRANGER), address=HERE)
    assert await verifier.verify(known, address=HERE)
    assert await verifier.verify(new, address="192.0.2.2")


async def test_a_token_that_was_good_is_looked_at_again_after_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oauth, "FAILING_SIGNATURES", 1)
    verifier, token = access(), signed()
    await verifier.verify(token, address=HERE)
    with pytest.raises(NotAuthenticatedError):
        await verifier.verify(signed(STRANGER), address=HERE)
    await verifier.verify(token, address=HERE)
    later = time.time() + 3_600
    monkeypatch.setattr(oauth.time, "time", lambda: later)
    with pytest.raises(RateLimitedError):  # what is looked at anew is not, from here
        await verifier.verify(token, address=HERE)


async def test_a_token_that_was_good_ends_with_its_key() -> None:
    server = Server(KEYS)
    verifier, token = access(server), signed()
    await verifier.verify(token, address=HERE)
    server.keys = [public(STRANGER, "ES256", "ec")]
    server.now += FRESH + 1
    with pytest.raises(NotAuthenticatedError, match="not valid"):
        await verifier.verify(token, address=HERE)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"keys": 3}', '{"keys": []}', '{"keys": [{"kty": "oct", "k": "YQ"}]}']
)
async def test_what_is_no_key_set_opens_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    keys = SigningKeys(str(tmp_path / "keys.json"))
    with pytest.raises(ServerUnavailableError):
        await keys.find("ec")


async def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": KEYS}))
    keys = SigningKeys(str(tmp_path / "keys.json"))
    verifier = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, role_claim="toolhone_role")
    assert (await verifier.verify(signed(), address=HERE)).role is Role.AGENT


@pytest.mark.parametrize("address", ["http://login.example.com/keys", "ftp://login.example.com/", "https://"])
def test_an_address_that_others_can_change_on_the_way_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        SigningKeys(address)
    with pytest.raises(ConfigurationError, match="oauth_audience"):
        AccessTokens(issuer=ISSUER, audience=address, keys=SigningKeys("keys.json"), role_claim="r")


def test_clients_are_told_who_makes_tokens() -> None:
    verifier = access()
    assert verifier.metadata_url == "https://tools.example.com/.well-known/oauth-protected-resource/mcp"
    assert verifier.metadata()["authorization_servers"] == [ISSUER]
    assert verifier.metadata()["resource"] == AUDIENCE
