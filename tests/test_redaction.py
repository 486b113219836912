"""What redaction takes out, what it leaves alone, and what holds whatever it is given.

The secrets are made at run time from pieces, so that no scanner finds one in this file.
"""

import copy
import importlib.util
import json
import random
import string
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json
from toolhone.redaction import MAX_DEPTH, Kind, placeholder, redact, redact_text

_random = random.Random(7)


def _made_of(alphabet: str, length: int) -> str:
    """Random text with a letter and digits in it, as a generator makes it."""
    while True:
        text = "".join(_random.choices(alphabet, k=length))
        if sum(map(str.isdigit, text)) >= 2 and not text.isdigit():
            return text


def _alnum(length: int) -> str:
    return _made_of(string.ascii_letters + string.digits, length)


def _upper(length: int) -> str:
    return _made_of(string.ascii_uppercase + string.digits, length)


def _base32(length: int) -> str:
    return _made_of(string.ascii_uppercase + "234567", length)


def _hex(length: int) -> str:
    return _made_of("0123456789abcdef", length)


def _base64(length: int) -> str:
    return _made_of(string.ascii_letters + string.digits + "+/", length)


def _base64url(value: Json) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt() -> str:
    return ".".join((_base64url({"alg": "HS256"}), _base64url({"sub": "1234567890"}), _alnum(43)))


def _pem(kind: str, newline: str) -> tuple[str, str]:
    """A PEM block, and the text in it that must not survive."""
    rows = ["MIIE" + _base64(60), _base64(64), _base64(31) + "="]
    label = kind + "PRIVATE" + " KEY"
    block = newline.join([f"-----BEGIN {label}-----", *rows, f"-----END {label}-----"])
    return block, rows[1]


class Planted(NamedTuple):
    """A value with a secret in it."""

    value: Json
    secret: str
    kind: Kind | None = None
    """The mark that must stand in its place, where that is not a matter of taste."""


def _text(template: str, secret: str, kind: Kind | None = None) -> Planted:
    return Planted(template.replace("@@", secret), secret, kind)


# Tokens that are known by their own form.
TOKENS: dict[str, tuple[str, Kind]] = {
    "openai": ("sk" + "-" + _alnum(48), Kind.API_KEY),
    "openai project": ("sk-" + "proj-" + _alnum(40) + "_" + _alnum(40), Kind.API_KEY),
    "anthropic": ("sk-" + "ant-api03-" + _alnum(60) + "-" + _alnum(30) + "AA", Kind.API_KEY),
    "openrouter": ("sk-" + "or-v1-" + _hex(64), Kind.API_KEY),
    "github classic": ("gh" + "p_" + _alnum(36), Kind.TOKEN),
    "github oauth": ("gh" + "o_" + _alnum(36), Kind.TOKEN),
    "github server": ("gh" + "s_" + _alnum(36), Kind.TOKEN),
    "github fine-grained": ("github" + "_pat_" + _alnum(22) + "_" + _alnum(59), Kind.TOKEN),
    "gitlab": ("gl" + "pat-" + _alnum(20), Kind.TOKEN),
    "slack bot": ("xo" + "xb-" + "123456789012-" + "1234567890123-" + _alnum(24), Kind.TOKEN),
    "slack user": ("xo" + "xp-" + "1234567890-" + "1234567890-" + _hex(32), Kind.TOKEN),
    "aws id": ("AK" + "IA" + _base32(16), Kind.API_KEY),
    "aws temporary id": ("AS" + "IA" + _base32(16), Kind.API_KEY),
    "google": ("AI" + "za" + _alnum(35), Kind.API_KEY),
    "google oauth": ("ya" + "29." + _alnum(60), Kind.TOKEN),
    "stripe": ("sk" + "_live_" + _alnum(24), Kind.API_KEY),
    "stripe restricted": ("rk" + "_live_" + _alnum(24), Kind.API_KEY),
    "stripe webhook": ("wh" + "sec_" + _alnum(32), Kind.SECRET),
    "sendgrid": ("S" + "G." + _alnum(22) + "." + _alnum(43), Kind.API_KEY),
    "twilio key": ("S" + "K" + _hex(32), Kind.API_KEY),
    "twilio account": ("A" + "C" + _hex(32), Kind.API_KEY),
    "npm": ("np" + "m_" + _alnum(36), Kind.TOKEN),
    "pypi": ("py" + "pi-AgEIcHlwaS5vcmc" + _alnum(80), Kind.TOKEN),
    "hugging face": ("h" + "f_" + _alnum(34), Kind.TOKEN),
    "digitalocean": ("do" + "p_v1_" + _hex(64), Kind.TOKEN),
    "shopify": ("sh" + "pat_" + _hex(32), Kind.API_KEY),
    "mailgun": ("ke" + "y-" + _hex(32), Kind.API_KEY),
    "mailchimp": (_hex(32) + "-us" + "12", Kind.API_KEY),
    "telegram": ("1234567890" + ":AA" + _alnum(33), Kind.TOKEN),
    "databricks": ("da" + "pi" + _hex(32), Kind.TOKEN),
    "vault": ("hv" + "s." + _alnum(40), Kind.TOKEN),
    "docker": ("dck" + "r_pat_" + _alnum(27), Kind.TOKEN),
    "figma": ("fi" + "gd_" + _alnum(40), Kind.TOKEN),
    "groq": ("gs" + "k_" + _alnum(52), Kind.API_KEY),
    "atlassian": ("AT" + "ATT3x" + _alnum(60), Kind.TOKEN),
    "sentry": ("snt" + "ryu_" + _hex(64), Kind.TOKEN),
    "notion": ("nt" + "n_" + _alnum(46), Kind.TOKEN),
    "tailscale": ("ts" + "key-auth-" + _alnum(12) + "-" + _alnum(24), Kind.TOKEN),
    "azure client": (_alnum(3) + "8" + "Q~" + _alnum(34), Kind.SECRET),
    "age": ("AGE-SECRET" + "-KEY-1" + _upper(58), Kind.API_KEY),
    "jwt": (_jwt(), Kind.JWT),
}

_PEM, _PEM_BODY = _pem("RSA ", "\n")
_PEM_ESCAPED, _PEM_ESCAPED_BODY = _pem("", "\\n")
_PEM_OPENSSH, _PEM_OPENSSH_BODY = _pem("OPENSSH ", "\r\n")
_PEM_SPACES, _PEM_SPACES_BODY = _pem("EC ", " ")
_PEM_PYTHON, _PEM_PYTHON_BODY = _pem("", '\\n"\n    "')
_BASIC = b64encode(b"admin:" + b"opensesame").decode()
_AWS_SECRET = _base64(40)
_VISA = "4111" + "1111" + "1111" + "1111"
_IBAN = "DE89" + "370400440532013000"
_SSN = "219-09" + "-9999"

SECRETS: dict[str, Planted] = {
    **{
        f"{name} token in a sentence": _text("Use @@, please.", token, kind)
        for name, (token, kind) in TOKENS.items()
    },
    "pem": _text(f"key:\n{_PEM}\nend", _PEM_BODY, Kind.PRIVATE_KEY),
    "pem on one line": Planted({"content": _PEM_ESCAPED}, _PEM_ESCAPED_BODY, Kind.PRIVATE_KEY),
    "pem with spaces for newlines": Planted(_PEM_SPACES, _PEM_SPACES_BODY, Kind.PRIVATE_KEY),
    "pem in a python literal": Planted(f'KEY = ("{_PEM_PYTHON}")', _PEM_PYTHON_BODY, Kind.PRIVATE_KEY),
    "openssh key": Planted(_PEM_OPENSSH, _PEM_OPENSSH_BODY, Kind.PRIVATE_KEY),
    "pem without an end": Planted(_PEM[:120], _PEM_BODY[:30], Kind.PRIVATE_KEY),
    "azure storage": _text(
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=@@;EndpointSuffix=core.windows.net",
        _base64(86) + "==",
        Kind.API_KEY,
    ),
    "sql server connection string": _text(
        "Server=tcp:db.acme.net,1433;Database=crm;User Id=sa;Password=@@;Encrypt=True;", "N0t-a-Passw0rd!"
    ),
    "postgres url": _text("postgres://app:@@@db.internal:5432/crm", "s3cr3t-p4ss", Kind.PASSWORD),
    "mongodb url": _text(
        "mongodb+srv://root:@@@cluster0.ab1cd.mongodb.net/?w=majority", "corvid", Kind.PASSWORD
    ),
    "redis url without user": _text("REDIS=redis://:@@@cache:6379/0", "p4ssw0rd", Kind.PASSWORD),
    "amqp url with an unescaped at": _text("amqp://guest:@@@rabbit:5672/", "p@ss@word", Kind.PASSWORD),
    "url with a slash in the password": _text("postgres://app:@@@db/crm", "pa/ssw0rd", Kind.PASSWORD),
    "token as the user of a url": _text("git clone https://@@@git.acme.net/x.git", _hex(40), Kind.TOKEN),
    "bearer header": _text("Authorization: Bearer @@\nAccept: */*", _alnum(32), Kind.AUTHORIZATION),
    "basic header": _text("authorization: Basic @@", _BASIC, Kind.AUTHORIZATION),
    "basic without a header": _text("sent Basic @@ to it", _BASIC, Kind.AUTHORIZATION),
    "curl header": _text("curl -H 'Authorization: Token @@' https://acme.net", _hex(40)),
    "curl user": _text("curl -u admin:@@ https://acme.net/", "corvid77", Kind.PASSWORD),
    "aws signature": _text(
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20240115/eu/s3, SignedHeaders=host, Signature=@@",
        _hex(64),
        Kind.AUTHORIZATION,
    ),
    "cookie header": _text("GET / HTTP/1.1\r\nCookie: theme=dark; sid=@@\r\n\r\n", _alnum(26), Kind.COOKIE),
    "set-cookie header": _text("< Set-Cookie: session=@@; Path=/; HttpOnly", _alnum(26), Kind.COOKIE),
    "password in a dotenv file": _text("DB_HOST=db\nDB_PASSWORD=@@\nDEBUG=1", "corvid", Kind.PASSWORD),
    "export": _text("export API_KEY=@@ && ./run", _alnum(20), Kind.API_KEY),
    "powershell": _text('$env:CLIENT_SECRET = "@@"', "blackbird", Kind.SECRET),
    "flag": _text("mysqldump --user root --password @@ crm", "blackbird", Kind.PASSWORD),
    "flag with equals sign": _text("tool --api-key=@@ --verbose", "abcdefgh", Kind.API_KEY),
    "flag in a list": Planted({"args": ["--token", "t0k", "--password", "blackbird"]}, "blackbird"),
    "yaml": _text("db:\n  user: app\n  password: @@\n  port: 5432", "blackbird", Kind.PASSWORD),
    "ini": _text("[db]\npassword = @@\nport = 5432", "blackbird7", Kind.PASSWORD),
    "toml": _text('[api]\nsecret_key = "@@"', "black bird", Kind.API_KEY),
    "python keyword": _text('connect(host="db", password="@@")', "black bird", Kind.PASSWORD),
    "python dict": _text("{'user': 'bob', 'passwd': '@@'}", "blackbird", Kind.PASSWORD),
    "javascript": _text("const cfg = {apiKey: `@@`, region: 'eu'}", "black-bird", Kind.API_KEY),
    "json cut short": _text('{"user": "bob", "password": "@@', "blackbird", Kind.PASSWORD),
    "json in a log line": _text('INFO sent {"clientSecret":"@@","n":1}', "blackbird", Kind.SECRET),
    "escaped json in a log line": _text('INFO "{\\"password\\":\\"@@\\"}" sent', "blackbird", Kind.PASSWORD),
    "password behind an escaped newline": _text("host=db\\npassword=@@\\nport=1", "blackbird"),
    "query string": _text("GET /v1?access_token=@@&page=2", "blackbird", Kind.TOKEN),
    "signed url": _text("https://acme.net/f?X-Amz-Signature=@@&X-Amz-Expires=60", _hex(64), Kind.TOKEN),
    "parameter": _text("?token=@@&x=1", "abc123" + "def456", Kind.TOKEN),
    "parameter of a url": _text("see https://acme.net/f?page=2&token=@@#top", "abc123" + "def456"),
    "parameter behind an escaped ampersand": _text('INFO "/f?a=1\\u0026token=@@"', "abc123" + "def456"),
    "parameter behind an ampersand of html": _text("/f?a=1&amp;token=@@", "abc123" + "def456"),
    "parameter of a fragment": _text("https://acme.net/cb#token=@@&state=1", "abc123" + "def456"),
    "first pair of a form": _text("token=@@&client_id=7", "abc123" + "def456", Kind.TOKEN),
    "signature of a url": _text("https://acme.net/f?Expires=1705312800&Signature=@@", "b7tdoLMFKmAXYkTeL"),
    "azure signature": _text("https://acme.net/f?sv=2024&sig=@@&se=1", _alnum(41) + "%3D", Kind.TOKEN),
    "key as a parameter": _text("https://acme.net/v1?key=@@", "q7Rt2xKp" + "9Lm4Zs8V", Kind.SECRET),
    "code of a sign-in": _text("/callback?code=@@&state=x", "q7Rt2xKp" + "9Lm4Zs8V", Kind.SECRET),
    "signature in hex of few letters": _text("X-Amz-Signature=@@", "deadbeef" * 8, Kind.TOKEN),
    "signature of a url in pieces": Planted({"X-Amz-Signature": "abcdef01" * 8}, "abcdef01", Kind.TOKEN),
    "environment in one word": _text("PGPASSWORD=@@ psql -h db", "Tr0ub" + "4dor3x", Kind.PASSWORD),
    "environment in one word, secret": _text("export MYCLIENTSECRET=@@", "blackbird", Kind.SECRET),
    "environment in one word, key": _text("DATADOGAPIKEY=@@", "blackbird", Kind.API_KEY),
    "environment in one word, token": _text("CITOKEN=@@", "abc123" + "def456", Kind.TOKEN),
    "environment in one word, in json": Planted({"PGPASSWORD": "blackbird"}, "blackbird", Kind.PASSWORD),
    "environment, token": _text("CI_JOB_TOKEN=@@ make", "abc123" + "def456", Kind.TOKEN),
    "rails secret": _text("SECRET_KEY_BASE=@@", "blackbird"),
    "mysql": _text("mysql -p@@", "S3cret" + "Pass99", Kind.PASSWORD),
    "mysql without digits": _text("mysql -p@@", "blackbird", Kind.PASSWORD),
    "mysqldump": _text("/usr/bin/mysqldump -h db -u root -p@@ crm > a.sql", "black!bird", Kind.PASSWORD),
    "mysqladmin on two lines": _text("mysqladmin -u root \\\n  -p'@@' status", "blackbird", Kind.PASSWORD),
    "mariadb": _text("ls && mariadb-dump -p@@ crm", "blackbird", Kind.PASSWORD),
    "sshpass": _text("sshpass -p @@ ssh db", "blackbird", Kind.PASSWORD),
    "auth": Planted('{"auth":"' + "hunter2" + 'secret"}', "hunter2" + "secret", Kind.SECRET),
    "token in words": _text("the token @@ is", "sk-live" + "-ABCDEF0123456789abcdef0123456789", Kind.API_KEY),
    "token and a space": _text("log in with token @@.", _alnum(24), Kind.TOKEN),
    "api key and a space": _text("my api key `@@`", _alnum(24), Kind.API_KEY),
    "secret and a space": _text("the client secret @@", _alnum(20), Kind.SECRET),
    "table": Planted(
        {"columns": ["name", "password"], "rows": [["bob", "hunter2" + "secret"]]},
        "hunter2" + "secret",
        Kind.PASSWORD,
    ),
    "table with headers": Planted({"headers": ["api_key"], "data": [["a"], ["blackbird"]]}, "blackbird"),
    "table with fields": Planted(
        {"fields": [{"name": "id"}, {"name": "secret"}], "values": [[1, {"a": "blackbird"}]]}, "blackbird"
    ),
    "table, rows first": Planted({"rows": [["x", 1234567]], "columns": ["a", "password"]}, "1234567"),
    "table in a string": Planted('{"columns":["password"],"rows":[["blackbird"]]}', "blackbird"),
    "yaml with doubled quotes": _text("password: '@@'", "black''bird", Kind.PASSWORD),
    "python with triple quotes": _text('password = """@@"""', "blackbird", Kind.PASSWORD),
    "list in prose": _text("1.Password: @@", "blackbird99", Kind.PASSWORD),
    "npmrc": _text("//registry.acme.net/:_authToken=@@", "blackbird", Kind.TOKEN),
    "environment like code": _text("DB_PASSWORD=@@", "correct.horse", Kind.PASSWORD),
    "xml": _text("<login><password>@@</password></login>", "blackbird", Kind.PASSWORD),
    "prose": _text("The password is @@ for now", "blackbird99", Kind.PASSWORD),
    "two words in prose": _text("API key: @@", _alnum(24), Kind.API_KEY),
    "aws secret under its key": Planted({"aws_secret_access_key": _AWS_SECRET}, _AWS_SECRET, Kind.API_KEY),
    "aws pair in csv": _text("AKI" + "A" + _upper(16) + ",@@", _AWS_SECRET, Kind.API_KEY),
    "slack webhook": _text("https://hooks.slack.com/services/@@", "T0AB12CD3/B0AB12CD3/" + _alnum(24)),
    "email": _text("Ask <@@> about it", "ada.lovelace+x@analytical.co.uk", Kind.EMAIL),
    "email in a url": _text("https://acme.net/u?mail=@@&x=1", "ada%40analytical.org", Kind.EMAIL),
    "email as a key": Planted({"seats": {"ada@analytical.org": 3}}, "ada@analytical.org", Kind.EMAIL),
    "phone, international": _text("Call @@ now", "+49 30 901820-0"[:-2], Kind.PHONE),
    "phone, plain": _text("tel:@@", "+442071838750", Kind.PHONE),
    "phone, american": _text("Call @@.", "(415) 555-2671", Kind.PHONE),
    "phone, dashes": _text("Call @@.", "415-555-2671", Kind.PHONE),
    "phone, under its key": Planted({"phoneNumber": "5551234567"}, "5551234567", Kind.PHONE),
    "card": _text("paid with @@ today", _VISA, Kind.CARD),
    "card in groups": _text("paid with 12 @@", " ".join(_VISA[i : i + 4] for i in (0, 4, 8, 12)), Kind.CARD),
    "card, amex": _text("card=@@;", "3782" + "-822463" + "-10005", Kind.CARD),
    "card as a number": Planted({"n": int(_VISA)}, _VISA, Kind.CARD),
    "iban": _text("to @@, thanks", _IBAN, Kind.IBAN),
    "iban in groups": _text("IBAN @@ EUR", "GB82 WEST " + "1234 5698 7654 32", Kind.IBAN),
    "ssn": _text("SSN: @@", _SSN, Kind.NATIONAL_ID),
    "ssn behind an escaped newline": _text("id\\n@@", _SSN, Kind.NATIONAL_ID),
    "named identity behind an escaped newline": _text("x\\nPESEL: @@", "44051" + "401359", Kind.NATIONAL_ID),
    "ssn as a number": Planted({"ssn": 219099999}, "219099999", Kind.NATIONAL_ID),
    "ipv4": _text("from @@:443", "203.0.113.77", Kind.IP_ADDRESS),
    "ipv4, private": _text("ssh root@@@ -p 22", "192.168.4.17", Kind.IP_ADDRESS),
    "ipv4 range": _text("192.0.2.1-@@", "192.0.2.77", Kind.IP_ADDRESS),
    "ipv6 before a colon": _text("peer @@: timed out", "2001:db8::1", Kind.IP_ADDRESS),
    "ipv6": _text("from [@@]:443", "2001:db8:85a3::8a2e:370:7334", Kind.IP_ADDRESS),
    "password as a number": Planted({"password": 12345678}, "12345678", Kind.PASSWORD),
    "camel case key": Planted({"accessToken": "blackbird"}, "blackbird", Kind.TOKEN),
    "kebab case key": Planted({"headers": {"X-Api-Key": "blackbird"}}, "blackbird", Kind.API_KEY),
    "container under a telling key": Planted({"credentials": {"a": ["x1", {"b": "blackbird"}]}}, "blackbird"),
    "connection string under its key": Planted({"connectionString": "Server=blackbird"}, "blackbird"),
    "private key under its key": Planted({"privateKey": "blackbird"}, "blackbird", Kind.PRIVATE_KEY),
    "random token": Planted({"token": "q7Rt2xKp9Lm4Zs8V"}, "q7Rt2xKp9Lm4Zs8V", Kind.TOKEN),
    "random key": Planted({"key": "q7Rt2xKp9Lm4Zs8V"}, "q7Rt2xKp9Lm4Zs8V", Kind.SECRET),
    "header as an entry": Planted([{"name": "Cookie", "value": "blackbird"}], "blackbird", Kind.COOKIE),
    "environment as an entry": Planted({"env": [{"name": "DB_PASSWORD", "value": "bb"}]}, '"bb"'),
    "json in a string": Planted(json.dumps({"password": "blackbird"}), "blackbird", Kind.PASSWORD),
    "json in a string in json": Planted(
        {"body": json.dumps({"b": json.dumps({"pwd": "blackbird"})})}, "blackbird", Kind.PASSWORD
    ),
    "repeated key in json": Planted('{"password": "blackbird", "password": ""}', "blackbird"),
    "escape in json": Planted('{"m": "gh\\u0070_' + TOKENS["github classic"][0][4:] + '"}', "gh\\u0070_"),
    "schema's example": Planted({"password": {"type": "string", "default": "blackbird"}}, "blackbird"),
    "unknown mark": Planted({"password": "[REDACTED:blackbird]"}, "blackbird"),
}

ORDINARY: list[Json] = [
    "",
    "Bob",
    None,
    True,
    0,
    3.14159,
    0.4472135954999579,
    1705312800000,
    1234567890123456,
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "#ff8800 and #1a2b3c4d",
    "2024-01-15T10:30:00.123456+00:00",
    "20240115T103000Z",
    "12:34:56",
    "v1.2.3-rc.1+build.5",
    "version 1.2.3.4",
    "Version=4.0.0.0, Culture=neutral",
    {"version": "1.2.3.4", "fileVersion": "10.0.19041.1"},
    "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
    "see section 3.1.4.1 of RFC 9110",
    "tool-1.2.3.4.tar.gz",
    "requests==2.31.0.1",
    "OID 1.3.6.1.4.1.311",
    "listening on 127.0.0.1:8000 and 0.0.0.0:80, [::1]:80 and [::]:80, mask 255.255.255.0",
    "/usr/lib/python3.11/site-packages/toolhone/tokens.py:42",
    "C:\\Users\\bob\\AppData\\Local\\Temp\\secret_santa.txt",
    "https://example.org/a/b?page=2&sort=-created#token",
    "http://localhost:8080/path/@me",
    "docker://alpine:latest@sha256:9f86d081",
    "git@github.com:toolhone/toolhone.git",
    "order 4111111111111112 of 2024",
    "order #1234567890123, invoice 2024-000123-77",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "EAN 4006381333931",
    "part 12-345-6789 and 1-800-FLOWERS",
    "00:1a:2b:3c:4d:5e",
    "std::vector<a::b> Foo::Bar",
    "Forgot your password? The token has expired; ask for a new secret.",
    "Enter password: ",
    "password: must be at least 8 characters",
    "Password must have 12 characters, a token: one word.",
    "The password is required. The token is invalid.",
    "The token limit is 4096 and the key is sorted.",
    "Note on secrets: never commit them",
    "Use --token to sign in, or --password with a value",
    "usage: tool [--api-key KEY] [--password PASSWORD]",
    "Authorization: the process of deciding who may do what",
    "Cookie: we use cookies to remember you",
    "Basic knowledge of Bearer authentication",
    "token = get_token()",
    "token = self.client.token",
    "password: str",
    "def login(user: str, password: str | None = None) -> Token:",
    "password = os.environ['DB_PASSWORD']",
    "api_key = settings.api_key",
    'password = getpass("Password: ")',
    "login(user=user, password=pw)",
    "if token == other:",
    "self._token, self._key = token, key",
    "for key, value in items.items(): print(key, value)",
    "const token: string = await getToken();",
    "key = lambda item: item.key",
    "map[string]string{key: value}",
    "password: ${DB_PASSWORD}",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "API_KEY=<your-api-key>",
    "API_KEY=your_api_key_here",
    "password=********",
    'f"Authorization: Bearer {token}"',
    "postgres://app:${PGPASSWORD}@db/crm",
    "postgres://db:5432/crm",
    "SELECT id, password FROM users WHERE token IS NULL",
    "assert '-----BEGIN PRIVATE KEY-----' in text",
    "getty@tty1.service",
    "icon@2x.png",
    "lodash@4.17.21 and @scope/pkg@1.0.0",
    "scores = (q@k.transpose(-2, -1)) * scale",
    "@app.route('/users')",
    "token economy",
    "The token economy of 2024 and the key performance indicators",
    "ssh -p 8080 db and docker run -p 8080:80 web",
    "docker run --name mysql -p3306:3306 mysql",
    "mysql -u root -p crm",
    'mysql -p"$PASSWORD" and mysqldump -p${DB_PASS} and mysql -ppassword and mysql -p<password>',
    "mysql is fast; tar -pxf a.tar",
    "mkdir -parents and cp -pr a b",
    "https://acme.net/l?page=2&sort=key",
    "?token=abc&x=1 and ?token=&code=NYC&key=name",
    "https://acme.net/l?next_page_token=abc123def456&x=1",
    "https://acme.net/l?page_token=q7Rt2xKp9Lm4Zs8V",
    "https://acme.net/l?code=DE&zip_code=10115&country_code=DE&auth=oauth2&signature=none",
    "https://acme.net/l?key=PROJ-1234&token=hello%20world",
    "PASSWORDLESS=1 NOPASSWD=true",
    "bob ALL=(ALL) NOPASSWD: ALL",
    "MAX_TOKEN=4096 EOS_TOKEN=<eos> TOKENIZER=o200k_base",
    "the token q7Rt2 and the key src/toolhone/storage/migrations.py:42",
    "the public key q7Rt2xKp9Lm4Zs8Vq7Rt2xKp of it, the next page token q7Rt2xKp9Lm4Zs8Vq7Rt2xKp",
    "the key f47ac10b-58cc-4372-a567-0e02b2c3d479, the token sha256:9f86d081884c7d65",
    {"auth": "basic"},
    {"auth": "oauth2"},
    [{"auth": "client_credentials_v2"}, {"auth": "scram-sha-256"}, {"auth": "saml2.0"}, {"auth": "none"}],
    {"columns": ["name", "password_policy"], "rows": [["bob", "strict99"]]},
    {"columns": ["token_count", "key"], "rows": [[4096, "name"], [None, "PROJ-1234"], []]},
    {"columns": "password", "rows": [["strict99"]]},
    {"columns": ["password"], "rows": [{"id": 1}, "x", []], "data": 3},
    {"headers": {"Accept": "text/html"}, "data": [["password", "is", "hashed"]]},
    "task-management-for-small-teams-2024 and risk-averse-2023-strategies-1",
    "sk-circle-fade-dot-animation",
    "npm_config_registry and npm_lifecycle_event",
    "x = +1 - 2 * 10e+10",
    "a+b=c; 1 + 1 = 2",
    "lat 52.520008, lon 13.404954",
    "[INFO] 200 OK in 12ms, 3 of 5 keys read",
    "| key | value |\n|---|---|\n| a | 1 |",
    "eyJpZCI6MTIzfQ==",
    "AC/DC and SKU 12345678",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B\n-----END CERTIFICATE-----",
    "PWD=/home/bob\nOLDPWD=/tmp/x1",
    {"pwd": "/home/bob", "cwd": "C:\\Users\\bob"},
    '"headers": {"Authorization": "Bearer token"} are sent',
    "SELECT id FROM users WHERE token = $1 AND email = ?",
    "fatal: Authentication failed for 'https://github.com/a/b.git/'",
    "sudo: a password is required",
    "Permission denied (publickey,password).",
    {"author": "Ada", "authority": "acme", "authored_at": "2024-01-15"},
    {"max_tokens": 4096, "tokens_used": 17, "token_count": 3, "total_tokens": 20, "tokens": 12},
    {"next_page_token": "q7Rt2xKp9Lm4Zs8V", "page_token": "Zs8Vq7Rt2xKp9Lm4", "cursor": "q7Rt2xKp9Lm4"},
    {"progressToken": "q7Rt2xKp9Lm4Zs8V"},
    {"keyboard": "de", "keywords": ["a"], "passenger": "Bob", "secretary": "Eve", "tokenizer": "o200k"},
    {"public_key": "q7Rt2xKp9Lm4Zs8V", "primary_key": "id", "foreign_key": "user_id"},
    {"key": "name", "sort_key": "created", "keys": ["a", "b"]},
    {"key": "uploads/2024/01/report-v2.pdf"},
    {"key": "PROJ-1234", "issue_key": "PROJ-1234"},
    {"key": "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
    {"token": "hello", "tokens": ["the", "cat", "<|endoftext|>"]},
    {"password": None, "token": "", "secret": True, "cookies": False},
    {"pass": 5, "fail": 2, "boarding_pass": "B12 window", "proxy_pass": "http://app:8000"},
    {"pin": 13, "mode": "out"},
    {"password_length": 12, "password_policy": "strict", "secret_name": "db", "token_type": "Bearer"},
    {"cookie_policy": "strict", "api_key_id": "main", "private_key_path": "/etc/ssl/key.pem"},
    {"phone_model": "Pixel 8", "card_type": "visa", "card_number": 7, "phone": "unknown"},
    {"properties": {"password": {"type": "string", "description": "The user's password"}}},
    {"name": "password", "type": "string", "required": True},
    ["--password", "--verbose", "--api-key"],
    ["--verbose", "--token-limit", "4096", "--file", "a.txt"],
    '{"a": [1, 2.0, {"b": null}],  "c": "d"}',
    '{"token": "hello", "max_tokens": 5}',
    "[1, 2, 3",
    {"content": [{"type": "text", "text": "3 files changed, 5 insertions(+)"}], "isError": False},
]


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("planted", [pytest.param(p, id=name) for name, p in SECRETS.items()])
def test_a_secret_is_replaced_by_its_mark(planted: Planted) -> None:
    redacted = _dump(redact(planted.value))

    assert planted.secret not in redacted
    assert json.dumps(planted.secret)[1:-1] not in redacted
    if planted.kind is not None:
        assert placeholder(planted.kind) in redacted


@pytest.mark.parametrize("value", ORDINARY, ids=_dump)
def test_ordinary_values_are_left_alone(value: Json) -> None:
    assert redact(value) == value


@pytest.mark.parametrize("planted", [pytest.param(p, id=name) for name, p in SECRETS.items()])
def test_redacting_again_changes_nothing(planted: Planted) -> None:
    once = redact(planted.value)

    assert redact(once) == once


def test_both_tables_are_long_enough_to_mean_something() -> None:
    assert len(SECRETS) >= 80
    assert len(ORDINARY) >= 80


@pytest.fixture(scope="module")
def scanner() -> ModuleType:
    """The shipped tool that finds secrets in files. It stands alone, with patterns of its own."""
    path = Path(__file__).parents[1] / "tool_registry" / "secret_scanner.py"
    spec = importlib.util.spec_from_file_location("_shipped_scanner", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The scanner's patterns begin with a literal, so that they are fast: these tokens have none, or one of two
# letters that stand everywhere.
NOT_SCANNED = {"twilio key", "twilio account", "mailchimp", "telegram", "azure client"}

SCANNED: dict[str, str] = {
    "private_key": _PEM,
    "aws_access_key_id": TOKENS["aws id"][0],
    "github_token": TOKENS["github classic"][0],
    "github_fine_grained_token": TOKENS["github fine-grained"][0],
    "gitlab_token": TOKENS["gitlab"][0],
    "slack_token": "xo" + "xe-" + _alnum(16),
    "slack_webhook": "https://hooks.slack.com/services/" + "T0AB12CD3/B0AB12CD3/" + _alnum(24),
    "stripe_secret_key": TOKENS["stripe"][0],
    "stripe_restricted_key": TOKENS["stripe restricted"][0],
    "google_api_key": TOKENS["google"][0],
    "anthropic_key": TOKENS["anthropic"][0],
    "openai_key": TOKENS["openai"][0],
    "huggingface_token": TOKENS["hugging face"][0],
    "npm_token": TOKENS["npm"][0],
    "pypi_token": TOKENS["pypi"][0],
    "sendgrid_key": TOKENS["sendgrid"][0],
    "google_oauth_token": TOKENS["google oauth"][0],
    "stripe_webhook_secret": TOKENS["stripe webhook"][0],
    "groq_key": TOKENS["groq"][0],
    "digitalocean_token": TOKENS["digitalocean"][0],
    "shopify_token": TOKENS["shopify"][0],
    "mailgun_key": TOKENS["mailgun"][0],
    "databricks_token": TOKENS["databricks"][0],
    "vault_token": TOKENS["vault"][0],
    "docker_token": TOKENS["docker"][0],
    "figma_token": TOKENS["figma"][0],
    "atlassian_token": TOKENS["atlassian"][0],
    "sentry_token": TOKENS["sentry"][0],
    "notion_token": TOKENS["notion"][0],
    "tailscale_key": TOKENS["tailscale"][0],
    "age_key": TOKENS["age"][0],
    "json_web_token": _jwt(),
    "password_in_url": "postgres://app:" + "s3cr3t" + "-p4ss@db/crm",
}


@pytest.mark.parametrize("name", [name for name in TOKENS if name not in NOT_SCANNED])
def test_the_secret_scanner_finds_what_redaction_takes_out(scanner: ModuleType, name: str) -> None:
    token, _ = TOKENS[name]

    assert len(scanner.find_secrets(f"VALUE={token}\n")) == 1


def test_redaction_takes_out_what_the_secret_scanner_finds(scanner: ModuleType) -> None:
    kinds = {kind: [found["kind"] for found in scanner.find_secrets(text)] for kind, text in SCANNED.items()}
    assert kinds == {kind: [kind] for kind in scanner.KINDS}

    for text in SCANNED.values():
        assert scanner.find_secrets(redact_text(f"VALUE={text}\n")) == []


def test_what_stands_around_a_secret_is_kept() -> None:
    assert (
        redact_text("postgres://app:s3cr3t@db:5432/crm") == "postgres://app:[REDACTED:password]@db:5432/crm"
    )
    assert redact_text("/f?token=abc123def456&x=1 it") == "/f?token=[REDACTED:token]&x=1 it"
    assert redact_text("mysql -u bob -p's3cret' crm") == "mysql -u bob -p'[REDACTED:password]' crm"
    assert redact({"columns": ["name", "password"], "rows": [["bob", "x"], ["eve"]]}) == {
        "columns": ["name", "password"],
        "rows": [["bob", "[REDACTED:password]"], ["eve"]],
    }
    assert redact_text("DB_PASSWORD=hunter2; ls -l") == "DB_PASSWORD=[REDACTED:password]; ls -l"
    assert redact_text("login(user='bob', password='x y', n=1)") == (
        "login(user='bob', password='[REDACTED:password]', n=1)"
    )
    assert (
        redact_text("curl -H 'Cookie: a=b; c=d' http://h/") == "curl -H 'Cookie: [REDACTED:cookie]' http://h/"
    )
    assert redact_text("Authorization: Bearer abc123abc123\nHost: h") == (
        "Authorization: Bearer [REDACTED:authorization]\nHost: h"
    )


def test_the_input_is_not_touched() -> None:
    value: Json = {"password": "blackbird", "list": [{"token": None}, "ada@analytical.org"]}
    before = copy.deepcopy(value)

    redact(value)

    assert value == before


def test_a_string_of_json_is_only_written_anew_if_something_in_it_changed() -> None:
    assert redact_text('{ "a" : [1,2 ] }') == '{ "a" : [1,2 ] }'
    assert json.loads(redact_text('{ "a" : 1, "pwd" : "blackbird" }')) == {
        "a": 1,
        "pwd": "[REDACTED:password]",
    }


def test_two_keys_that_become_the_same_mark_keep_their_values() -> None:
    redacted = redact({"ada@analytical.org": 1, "eve@analytical.org": 2})

    assert redacted == {"[REDACTED:email]": 1, "[REDACTED:email] (2)": 2}
    assert redact(redacted) == redacted


def test_bytes_become_their_length() -> None:
    assert redact({"data": b"\x00\x01blackbird"}) == {"data": "[REDACTED:binary 11 bytes]"}


def test_what_json_has_no_word_for_is_not_kept() -> None:
    redacted = redact({1: {"a"}, None: object(), ("x",): 1, b"k": 2, 2.5: 10**5000, "nan": float("nan")})

    assert json.loads(json.dumps(redacted)).keys() == {
        "1",
        "null",
        "[REDACTED:object]",
        "[REDACTED:object] (2)",
        "2.5",
        "nan",
    }
    assert redacted["1"] == redacted["null"] == redacted["2.5"] == "[REDACTED:object]"


@pytest.mark.parametrize("levels", [MAX_DEPTH, 5_000])
def test_deep_values_are_cut_where_json_could_not_follow(levels: int) -> None:
    value: Json = "blackbird"
    for _ in range(levels):
        value = [value]
    value = {"password": value}

    redacted = _dump(redact(value))

    assert placeholder(Kind.TOO_DEEP) in redacted
    assert "blackbird" not in redacted


@pytest.mark.parametrize("text", ["[" * 100_000 + "1" + "]" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000])
def test_deep_json_in_a_string_is_cut_too(text: str) -> None:
    redacted = redact_text(text)

    assert "[REDACTED:too_deep]" in redacted
    assert redact_text(redacted) == redacted


@pytest.mark.parametrize("text", ["a\ud800b@c.de", '{"\ud800": "\\ud800"}', "\x00" * 50, "password=\x00"])
def test_odd_text_does_no_harm(text: str) -> None:
    redacted = redact_text(text)

    assert redact_text(redacted) == redacted


HOSTILE = {
    "letters": "a",
    "words": "lorem ipsum ",
    "digits": "1",
    "spaced digits": "1 ",
    "dotted digits": "1.",
    "colons": "a:",
    "dashes": "-",
    "dashed words": "sk-a-",
    "backslashes": "\\",
    "open quotes": 'password="',
    "mixed open quotes": "password='\\\"",
    "assignments": "password=",
    "keys without values": "key: ",
    "headers of keys": "-----BEGIN PRIVATE KEY-----",
    "start of jwt": "eyJ",
    "urls": "://a:",
    "users": "http://aaaa:bbbb",
    "at signs": "a@",
    "mail without top": "a@b.",
    "elements": "<key>",
    "cookies": "Cookie: a",
    "brackets": "[",
    "braces": '{"a":',
    "ibans": "DE89",
    "plus": "+1 (2",
    "marks": "[REDACTED:email]",
    "escapes": "\\npassword ",
    "flags": "--password ",
    "hex": "SK0a",
    "bearer": "Bearer ",
    "parameters": "?token=abc123",
    "pairs": "token=a&",
    "mysql": "mysql ",
    "mysql with arguments": "mysql -u root ",
    "mysql with passwords": "mysql -p$A ",
    "mysql with a long argument": "mysql a" + "b" * 300,
    "spoken": "token a1b2c3d4e5f6g7h8i9j0",
    "spaces before runs": " " + "a" * 30,
    "env": "PGPASSWORD=",
    "rows": "password,a\n",
    "cells": "| password ",
    "sql": "identified by '",
    "logins": "docker login ",
    "openssl": "openssl a ",
    "redis": "redis-cli a ",
    "shares": "net use /user:a ",
    "quoted pairs": '"password","',
    "setters": 'setPassword("',
    "inputs": 'name="token" a="b" ',
    "netrc": "login a ",
    "env lines": "\nENV A ",
    "pgpass": "a:5432:b:c:",
    "identities": "AB 12 34 ",
    "named identities": "SSN ",
    "digits and capitals": "1A",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_comes_to_an_end(piece: str) -> None:
    # A pattern that backtracks would run for hours on text of this length.
    text = piece * (50_000 // len(piece))

    redacted = redact_text(text)

    assert redact_text(redacted) == redacted


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.text() | st.sampled_from(
    ["password", "token", "key", "name", "value", "credentials", "type", "columns", "rows"]
)
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)
fragments = st.sampled_from(
    [
        *"\"'`\\{}[]()<>:=,;&@. \n\t-+_/%",
        *("\\n", '\\"', "password", "token", "key", "Cookie: ", "Authorization: ", "--", "=", ": ", " is "),
        *("a", "Z", "7", "[REDACTED:token]", "[REDACTED:", "://", "eyJ", "AKIA", "sk-", "DE89", "4111 "),
        *("?token=", "&sig=", "abc123def456", "mysql ", "-p", "PGPASSWORD=", "q7Rt2xKp9Lm4Zs8Vq7Rt2"),
        *("ada@analytical.org", "203.0.113.77", "hunter2", "219-09-" + "9999", "Bearer abcdef123456abcdef"),
    ]
)
crafted = st.lists(fragments, max_size=30).map("".join)

# Known by their own form, so that nothing around them may hide them but letters and digits.
self_evident = st.sampled_from(
    [
        *(token for token, _ in TOKENS.values()),
        *(_PEM_BODY.join((_PEM[:60], "-----END")), "ada@analytical.org", "203.0.113.77", _VISA, _IBAN, _SSN),
        *("2001:db8:85a3::8a2e:370:7334", "+442071838750", "415-555-2671"),
    ]
)
before = st.lists(
    st.sampled_from(
        [
            *"\"'`\\{}[]()<>:=,;& \n\t/|#*!?",
            *(
                "\\n",
                "\\t",
                '\\"',
                '\\\\"',
                "token: ",
                "password=",
                "Cookie: a=",
                "--key ",
                "x is ",
                "[REDACTED:",
            ),
            *(
                "http://",
                "https://h/",
                "[REDACTED:token]",
                "{'a': '",
                '{"a": "',
                "4111 ",
                "DE89 ",
                "sk- ",
                "eyJ.",
            ),
        ]
    ),
    max_size=8,
).map("".join)
after = st.lists(
    st.sampled_from([*"\"'`\\{}[]()<>:;, \n\t|#*!?", "\\n", '"}', "'}", "[REDACTED:token]"]), max_size=8
).map("".join)


@st.composite
def planted_documents(draw: st.DrawFn) -> tuple[Json, str]:
    """A secret in text, in levels of JSON and of JSON in strings, as a key or as a value."""
    secret = draw(self_evident)
    value: Json = draw(before) + secret + draw(after)
    for wrap in draw(st.lists(st.sampled_from(["list", "value", "key", "dumped", "escaped"]), max_size=5)):
        match wrap:
            case "list":
                value = [1, value, "x"]
            case "value":
                value = {"a": 1, "b": value}
            case "key":
                value = {value if isinstance(value, str) else json.dumps(value): None}
            case "dumped":
                value = json.dumps(value)
            case _:
                value = "> " + json.dumps(value, ensure_ascii=False)
    return value, secret


@settings(deadline=None, max_examples=200)
@given(planted_documents())
def test_no_surroundings_bring_a_secret_through(planted: tuple[Json, str]) -> None:
    value, secret = planted

    once = redact(value)

    assert secret not in _dump(once)
    assert redact(once) == once


@settings(deadline=None)
@given(documents)
def test_redaction_is_idempotent_on_any_document(value: Json) -> None:
    once = redact(value)

    assert redact(once) == once


@settings(deadline=None, max_examples=200)
@given(crafted)
def test_redaction_is_idempotent_on_any_text(text: str) -> None:
    once = redact_text(text)

    assert redact_text(once) == once


def _shape(value: Json) -> Json:
    """The containers of a value, without keys and scalars."""
    if isinstance(value, dict):
        return {number: _shape(item) for number, item in enumerate(cast("dict[str, Json]", value).values())}
    return [_shape(item) for item in cast("list[Json]", value)] if isinstance(value, list) else None


@settings(deadline=None)
@given(documents)
def test_the_shape_of_a_document_is_kept(value: Json) -> None:
    assert _shape(redact(value)) == _shape(value)


@pytest.mark.parametrize("text", ["{}", "Use {} for it", '{{"note": "{}"}}', "({})"])
def test_a_token_of_ours_goes_however_plain_its_letters_are(text: str) -> None:
    token = "thk_" + 10 * "b" + "_" + 32 * "a"

    assert token not in redact_text(text.format(token))
    assert 16 * "a" not in _dump(redact({"said": text.format(token)}))
