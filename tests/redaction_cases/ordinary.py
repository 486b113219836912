"""Values in which nothing must go, though much of it looks as if: code, prose, and numbers of all sorts."""

# ruff: noqa: E501  One template or number a line reads best.

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator

from made_up import ALNUM, DIGITS, HEX, LOWER, UPPER, card, digits, iban, rng, some
from planted import Case, Value

PROSE = [
    "The password must be at least twelve characters long and contain one digit.",
    "I forgot my password and the reset link has expired; can you send me a new one?",
    "Tokens are cheap, but a context of 128000 tokens is not free: about 0.30 USD a call.",
    "The key to a good review is a small diff. Keep the key points in the first paragraph.",
    "Our secret is simple: bake it at 220 °C for 35 minutes, then 10 more at 180 °C.",
    "Section 4.2.1.3 of the agreement (version 2.0.0.1) replaces section 3.9.",
    "Between 2019 and 2024 revenue rose from 1 204 300 to 3 981 220 euros, or 230 percent.",
    "The cookie banner asks for consent; the session ends after 30 minutes.",
    "Call the function twice, then call it again with n=3. It returns 42, not 41.",
    "Flight LH 1234 leaves at 09:45 from gate B12, seat 23A, booking class Y.",
    "Please authorize the refund of 49.90 EUR for order 2024-000123-77.",
    "It takes 3-5 business days; in 2024-2025 it took 7-10.",
    "Bearer of this letter is Mr. Bond. Basic training starts on Monday.",
    "Her address in the tale was 12 Sea Lane; the phone never rang.",
    "Die Telefonnummer fehlt noch. Das Passwort wird nach 90 Tagen ungültig.",
    "Le mot de passe est obligatoire. La clé est sous le paillasson.",
    "The token bucket refills at 100 per second, up to a burst of 500.",
    "We measured 1.2345678901234567 and 9.8765432109876543 at lat 52.520008, lon 13.404954.",
    "ISO 27001:2022, RFC 9110, PEP 484, IEEE 802.11ax and DIN EN 1090-2 apply.",
    "The score was 6-4 7-6 6-3; the next match starts at 14:30 on court 7.",
    "Chapter 10.1.2.3 tells how the pin is pushed through hole 4711-08-15.",
    "Your card was declined. Try another card, or pay by bank transfer.",
    "The API key is stored in the vault; ask the platform team for access.",
    "Never put credentials into a URL, use a header or a secret manager.",
    "My pass is valid from 2026-01-01 to 2026-12-31 in zones 1-4.",
]

CODE = [
    "def login(user: str, password: str | None = None) -> Token:\n    token = self._sign(user)\n    return token\n",
    "password = os.environ['DB_PASSWORD']\napi_key = settings.api_key\n",
    "const token = await getToken();\nlocalStorage.setItem('token', token);\n",
    "const { data, error } = await supabase.auth.signInWithPassword({ email, password });\n",
    "if (!req.headers.authorization?.startsWith('Bearer ')) {\n  return res.status(401).end();\n}\n",
    'func (s *Server) auth(r *http.Request) (string, error) {\n\ttoken := r.Header.Get("Authorization")\n',
    'for key, value in sorted(items.items(), key=lambda item: item[1]):\n    print(f"{key}={value}")\n',
    "SELECT u.id, u.email, t.token FROM users u JOIN tokens t ON t.user_id = u.id WHERE t.expires > now();\n",
    "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, password_hash text NOT NULL);\n",
    "ALTER TABLE cards ADD COLUMN card_number varchar(19), ADD COLUMN iban char(34);\n",
    "@pytest.mark.parametrize('key', ['a', 'b'])\ndef test_key(key): assert lookup(key) == {'a': 1, 'b': 2}[key]\n",
    "x = (q @ k.transpose(-2, -1)) * self.scale  # 1 / sqrt(64)\nx[:, 1:3] += 2**10 - 1_000_000\n",
    "#define KEY_MAX 0x2ff\nstatic const uint32_t T[4] = {0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee};\n",
    'std::map<std::string, std::vector<int>> m; m["key"] = {1, 2, 3}; ns::a::b::c(m);\n',
    "git checkout -b fix/token-refresh && git commit -m 'Refresh the token once' && git push origin HEAD\n",
    "docker run -d --name db -p 5432:5432 -e POSTGRES_PASSWORD_FILE=/run/secrets/db postgres:16.2\n",
    "kubectl create secret generic db --from-file=password=./password.txt --dry-run=client -o yaml\n",
    'curl -u "$USER:$PASS" -H "Authorization: Bearer $TOKEN" https://api.example/v1/items?page=2\n',
    "env:\n  DB_PASSWORD: ${{ secrets.DB_PASSWORD }}\n  API_KEY: ${API_KEY:?missing}\n",
    "import { createHash } from 'node:crypto';\nexport const key = (s) => createHash('sha256').update(s).digest('hex');\n",
    "tokens = tokenizer(text, max_length=512, truncation=True)['input_ids']  # 101, 7592, 2088, 102\n",
    "parser.add_argument('--api-key', help='the key', default=None)\nparser.add_argument('--token', required=True)\n",
    "try:\n    client.connect(host, 8080, timeout=2.5)\nexcept AuthError as exc:\n    raise LoginFailed(f'{user}: {exc}') from exc\n",
    "resp = requests.get(url, auth=(user, password), cookies=jar, timeout=(3.05, 27))\n",
    "assert card.luhn('1234') is False  # the check digit is wrong\n",
    'type Config struct {\n\tAPIKey string `json:"api_key"`\n\tToken  string `yaml:"token,omitempty"`\n}\n',
    'public static final String PASSWORD = System.getenv("PASSWORD");\nprivate String secret;\n',
    '<input type="password" name="password" placeholder="Your password" autocomplete="current-password">\n',
    '.token { color: #a1b2c3; margin: 0 0 10px 12px; } .key::after { content: "\\2192"; width: 33.3333%; }\n',
    "print(f'{tokens_used:,} of {max_tokens:,} tokens ({share:.1%})')\n",
    "{% if token %}<a href=\"{{ url_for('reset', token=token) }}\">{{ user.email }}</a>{% endif %}\n",
    "regex = re.compile(r'[A-Z]{2}\\d{2}[A-Z0-9]{11,30}|\\d{3}-\\d{2}-\\d{4}|\\w+@\\w+\\.\\w+')\n",
    "fn key(&self) -> &str { &self.key }\nlet token = tokens.next().ok_or(Error::Eof)?;\n",
    "if [ -z \"$API_KEY\" ]; then echo 'API_KEY is missing' >&2; exit 1; fi\n",
    "password_field = driver.find_element(By.ID, 'password'); password_field.send_keys(password)\n",
    "ssh -i ~/.ssh/id_ed25519 -p 2222 deploy@build 'systemctl status app@1.service'\n",
    "npm install lodash@4.17.21 @types/node@20.11.5 react@^18.2.0 --save-exact\n",
    '  File "/usr/lib/python3.11/site-packages/app/auth/token.py", line 212, in refresh\n    raise TokenExpired(key)\n',
    "  at Object.<anonymous> (/srv/app/node_modules/jsonwebtoken/verify.js:40:21)\n  at node:internal/main:94:3\n",
    "diff --git a/auth.py b/auth.py\nindex 83db48f..bf269f4 100644\n--- a/auth.py\n+++ b/auth.py\n@@ -10,7 +10,7 @@\n",
]

LOGS = [
    "2026-03-01T09:12:44.123456+01:00 INFO app.server listening on 127.0.0.1:8000 and [::1]:8000",
    "[12:00:01.337] GET /api/v1/items/4711?sort=-created&limit=50 200 12.4ms 1832B",
    "Mar 01 09:12:44 worker kernel: [12345.678901] usb 1-1.2.3.4: new high-speed device number 12",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36",
    "3 files changed, 120 insertions(+), 45 deletions(-), build 10.0.19045.4412",
    "OK 1..17 tests, 0 failures, 3.21s; coverage 93.4% (1204/1289 lines)",
    "total 48\ndrwxr-xr-x 2 root root 4096 2026-01-15 10:30 token\n-rw------- 1 root root 1679 2026-01-15 10:30 key.pem",
    "PING localhost (127.0.0.1) 56(84) bytes of data. 64 bytes: icmp_seq=1 ttl=64 time=0.031 ms",
    "inet 127.0.0.1 netmask 255.0.0.0, mtu 65536, ether 02:42:ac:11:00:02",
    "WARN deprecated: --token-file replaces --token in 3.0.0.0; authorization=none, cookie=disabled",
    "Authentication failed: password is incorrect (attempt 3 of 5)",
    "token expired at 2026-01-15T10:30:00Z, key id 4, session closed after 1800 s",
    "loss=0.0123 lr=5e-05 grad_norm=1.2345678 tokens/s=1832.4 step=1200/4000 eta=00:12:31",
]

FILES = [
    "# .env.example\nAPI_KEY=\nDB_PASSWORD=\nSECRET_KEY=change-me\nTOKEN_TTL=3600\n",
    "env:\n  - name: DB_PASSWORD\n    valueFrom:\n      secretKeyRef:\n        name: db\n        key: password\n",
    "securitySchemes:\n  bearer:\n    type: http\n    scheme: bearer\n    bearerFormat: JWT\n  key:\n    type: apiKey\n    in: header\n    name: X-Api-Key\n",
    'variable "db_password" {\n  type      = string\n  sensitive = true\n}\npassword = var.db_password\n',
    'password = data.vault_generic_secret.db.data["password"]\ntoken    = module.auth.token\n',
    "{{ lookup('env', 'API_TOKEN') }} and {{ vault_db_password }} are set by the play\n",
    "*/15 2-6 1,15 * 1-5 /usr/local/bin/rotate-keys --max-age 90d\n",
    "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/sda1 102687672 45893020 51535404 48% /\n",
    "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\nroot 1234 0.0 0.1 169544 11820 ? Ss Jan15 0:03 sshd\n",
    "date,open,high,low,close,volume\n2026-01-15,101.25,103.10,100.90,102.75,18273645\n2026-01-16,102.75,104.00,102.10,103.90,17263548\n",
    "example.org. 3600 IN SOA ns1.example.org. 2026011501 7200 3600 1209600 3600\n",
    "panic: runtime error: index out of range [5] with length 3\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:12 +0x1d\n",
    "0x00007fff5fbff8c0 <+12>: mov rdi, rax ; 48 89 c7\n0x00007fff5fbff8c3 <+15>: call 0x100003f50\n",
    "\\frac{1}{\\sqrt{2\\pi}} \\int_{-\\infty}^{x} e^{-t^2/2} dt \\approx 0.9750021048517795\n",
    "## Signing in\nSet `Authorization: Bearer <token>`; the token comes from `POST /v1/token` with `client_id` and `client_secret`.\n",
    "FROM node:20.11.1-alpine3.19@sha256:c0a3badbd8a0a760de903e00cedbca94588e609299820557e72cba2a53dbaa2c\nUSER 1000\n",
    "requests==2.31.0 --hash=sha256:58cd2187c01e70e6e26505bca751777aa9f2ee0b7f4300988b709f44e013003f\n",
    'server_tokens off;\nproxy_pass http://app:8000;\nproxy_cookie_path / "/; Secure";\nkeepalive_timeout 65;\n',
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8\nDate: Thu Jan 15 10:30:00 2026 +0100\n\n    Reset the password after 3 tries\n",
    "Stack: cards 4-5, phones 6-7, keys 8-9. Row 10 seat 11-12. 1234 5678 9012 are ids of shelves.\n",
    "test('rejects a bad token', async () => {\n  await expect(login('bob', 'wrong')).rejects.toThrow('bad password');\n});\n",
    "Copyright 2015-2026 The Authors. Licensed under MIT. ISSN 1234-5679, DOI 10.1000/182.2023.1\n",
    '[tool.auth]\ntoken_url = "https://id.example/oauth2/token"\ntoken_lifetime = 3600\npassword_min_length = 12\n',
    "| key | type | default |\n|---|---|---|\n| password | string | none |\n| token | string | none |\n| pin | int | 0 |\n",
    "program.action(({ username, password }) => { console.log('password:', password); });\n",
    '<td><a accesskey="p" href="index.html">Prev</a></td><td><a accesskey="n" href="next.html">Next</a></td>\n',
    "Git 1.8.1.5 Release Notes\n=========================\nFixes since the 1.7.3.1 release, see RFC 7540 8.1.2.4.\n",
    "id,name,password_set\n7,bob,true\n8,eve,false\n",
    "git log --oneline: 20bbf53 Nouns of learning, 60aaf9b One spelling of values, 6258a69 Docs\n",
]

NUMBERS: dict[str, Callable[[], str]] = {
    "order failing the check digit": lambda: f"order {card(valid=False)} was sent",
    "account failing the check digits": lambda: f"ref {iban(valid=False)} is wrong",
    "commit": lambda: f"fixed in {some(HEX, 40)}, see also {some(HEX, 10)}",
    "digest": lambda: f"sha256:{hashlib.sha256(some(ALNUM, 9).encode()).hexdigest()}",
    "md5": lambda: f"ETag: \"{hashlib.md5(some(ALNUM, 9).encode(), usedforsecurity=False).hexdigest()}\"",
    "uuid": lambda: f"request {uuid.UUID(int=rng.getrandbits(128), version=4)} took 12 ms",
    "ulid": lambda: f"job 01J{some('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 23)} done",
    "object id": lambda: f"_id: {some(HEX, 24)}",
    "version": lambda: f"version {rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}",
    "wheel": lambda: f"lib-{rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}-cp311-manylinux_2_17_x86_64.whl",
    "integrity": lambda: "integrity sha512-" + base64.b64encode(rng.randbytes(64)).decode(),
    "timestamp": lambda: f"at {rng.randint(1600000000, 1900000000)}{some(DIGITS, 3)} ms",
    "iso date": lambda: f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T0{rng.randint(0, 9)}:15:30Z",
    "compact date": lambda: f"20{rng.randint(10, 29)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}T0{rng.randint(0, 9)}1530Z",
    "invoice": lambda: f"invoice {rng.randint(2015, 2026)}-{some(DIGITS, 6)} of {digits(3)}.{some(DIGITS, 2)} EUR",
    "sku": lambda: f"SKU {some(UPPER, 3)}-{digits(5)}-{some(UPPER, 2)}",
    "isbn": lambda: f"ISBN 978-3-16-14{digits(4)}-{some(DIGITS, 1)}",
    "ean": lambda: f"EAN 40{some(DIGITS, 11)}",
    "tracking": lambda: f"parcel 1Z{some(UPPER + DIGITS, 6)}0{some(DIGITS, 9)}",
    "hardware address": lambda: "mac " + ":".join(some(HEX, 2) for _ in range(6)),
    "float": lambda: f"{rng.random()!r} and {-rng.random() * 1000!r}",
    "coordinates": lambda: f"[{rng.uniform(-90, 90):.6f}, {rng.uniform(-180, 180):.6f}]",
    "color": lambda: f"#{some(HEX, 6)} on #{some(HEX, 8)}",
    "hex dump": lambda: "00000010: " + " ".join(some(HEX, 4) for _ in range(8)),
    "image": lambda: "data:image/png;base64,iVBORw0KGgo" + base64.b64encode(rng.randbytes(90)).decode().rstrip("="),
    "ssh public key": lambda: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(rng.randbytes(30)).decode() + " build",
    "range": lambda: f"lines {rng.randint(10, 99)}-{rng.randint(100, 999)}, pages {rng.randint(1, 9)}-{rng.randint(10, 99)}",
    "big number": lambda: f"{rng.randint(10**9, 10**12):,} rows",
    "ticket": lambda: f"{some(UPPER, 4)}-{digits(4)} blocks {some(UPPER, 2)}-{digits(5)}",
    "arn": lambda: f"arn:aws:s3:::bucket-{some(LOWER, 6)}/2026/01/15/part-0000{some(DIGITS, 1)}.parquet",
    "path": lambda: f"/var/lib/app/{some(LOWER, 5)}/cache/{some(HEX, 2)}/{some(HEX, 38)}",
    "url": lambda: f"https://shop.example/p/{digits(6)}?color=blue&size=42&page={rng.randint(1, 9)}#reviews",
    "placeholder": lambda: rng.choice(["API_KEY=<your key>", "password=********", "token: ${TOKEN}", "API_KEY=changeme"][:3]),
    "random under a plain word": lambda: f"build q{some(LOWER, 4)}{digits(3)} of branch release-{digits(4)}",
}  # fmt: skip

OBJECTS: list[Callable[[], Value]] = [
    lambda: {"max_tokens": rng.randint(1, 9000), "tokens_used": rng.randint(1, 9000), "model": "gpt-4o-mini-2024-07-18"},
    lambda: {"id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "key": f"PROJ-{digits(4)}", "status": "open"},
    lambda: {"next_page_token": some(ALNUM, 40), "items": [], "total": 0},
    lambda: {"sha": some(HEX, 40), "tree": {"sha": some(HEX, 40)}, "parents": [some(HEX, 40)]},
    lambda: {"version": f"{rng.randint(1, 9)}.2.3.4", "released": "2026-01-15", "checksum": some(HEX, 64)},
    lambda: {"type": "object", "properties": {"password": {"type": "string", "minLength": 8}, "token": {"type": "string"}}},
    lambda: {"keys": ["id", "name"], "primary_key": "id", "foreign_keys": [], "sort_key": "created_at"},
    lambda: {"name": "read_file", "arguments": json.dumps({"path": f"src/app/{some(LOWER, 6)}.py", "limit": 200})},
    lambda: {"latitude": rng.uniform(-90, 90), "longitude": rng.uniform(-180, 180), "altitude": 34.5},
    lambda: {"error": {"code": "invalid_token", "message": "The access token expired", "status": 401}},
    lambda: {"author": "Ada", "secretary": "Eve", "keyboard": "de", "tokenizer": "o200k_base", "passport": "required"},
    lambda: {"has_password": True, "password": None, "password_strength": "weak", "password_updated_at": "2026-01-15"},
    lambda: {"role": "assistant", "content": f"The total is {digits(3)}.{some(DIGITS, 2)}.", "tool_call_id": "call_" + digits(4)},
    lambda: {"columns": ["id", "key", "count"], "rows": [[1, "alpha", digits(5)], [2, "beta", digits(5)]]},
    lambda: {"order_id": int(digits(12)), "sku": some(UPPER, 3) + digits(5), "quantity": 3, "created": 1768471200123},
    lambda: {"cursor": some(ALNUM, 30), "etag": 'W/"' + some(HEX, 16) + '"', "cache_key": "user:42:v7"},
    lambda: {"usage": {"prompt_tokens": 812, "completion_tokens": 77}, "seed": rng.getrandbits(40)},
    lambda: [{"line": n, "text": f"{some(LOWER, 5)} = {some(LOWER, 4)}({n})"} for n in range(3)],
]  # fmt: skip


def ordinary() -> Iterator[Case]:
    """Every case in which nothing must go."""
    for kind, texts in {"prose": PROSE, "code": CODE, "log": LOGS, "file": FILES}.items():
        for number, text in enumerate(texts):
            yield Case(f"ordinary/{kind}/{number}", text)
            role = {"prose": "user", "code": "assistant", "log": "tool", "file": "tool"}[kind]
            yield Case(f"ordinary/{kind}-message/{number}", {"role": role, "content": text})
    for number in range(16):
        for name, make in NUMBERS.items():
            text = make()
            yield Case(f"ordinary/{name}/{number}", text if number % 2 else {"text": text, "n": number})
    for number in range(8):
        for place, make in enumerate(OBJECTS):
            yield Case(f"ordinary/object-{place}/{number}", make())
