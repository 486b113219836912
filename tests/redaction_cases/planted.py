"""Values with a secret or a person in them, as tools and agents write them."""

# ruff: noqa: E501  One template or number a line reads best.

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice

from identities import EVERYWHERE, NAMED
from made_up import (
    ALNUM,
    HEX,
    card,
    chosen_password,
    digits,
    email,
    iban,
    ipv4,
    ipv6,
    jwt,
    phone,
    private_key,
    rng,
    secret_value,
    some,
    tokens,
)

Value = object


@dataclass
class Case:
    name: str
    value: Value
    gone: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[tuple[str, tuple[str, ...]]])
    """What must not survive, with the kinds that are right for it; the first is the one that is counted."""
    stay: list[str] = field(default_factory=list[str])
    """What must survive."""


def text(name: str, template: str, secret: str, *kinds: str, stay: tuple[str, ...] = ()) -> Case:
    return Case(name, template.replace("@@", secret), [(secret, kinds)], list(stay))


# A token of a vendor is known wherever it stands; a name before it may say more of what it is.
ANY_TOKEN = ("api_key", "token", "secret", "authorization", "jwt", "password", "cookie")
TOKEN_PLACES: dict[str, tuple[str | Callable[[str], Value], tuple[str, ...]]] = {
    "env-file": ("PORT=8080\nUPSTREAM=@@\nLOG_LEVEL=debug\n", ("PORT=8080", "LOG_LEVEL=debug")),
    "env-quoted": ("export SERVICE_TOKEN='@@'\nexport REGION=eu-west-1\n", ("REGION=eu-west-1",)),
    "curl": (
        'curl -sS -X POST https://api.example/v1/jobs -H "Authorization: Bearer @@" -d \'{"n": 1}\'',
        ("https://api.example/v1/jobs", '{"n": 1}'),
    ),
    "header": (
        "GET /v2/me HTTP/1.1\r\nHost: api.example\r\nX-Auth: @@\r\nAccept: */*\r\n",
        ("Host: api.example", "Accept: */*"),
    ),
    "python": ('client = Client("@@", timeout=30)\nprint(client.me())\n', ("timeout=30", "client.me()")),
    "javascript": ("const client = new Client('@@', { retries: 3 });", ("retries: 3",)),
    "go": ('cfg := Config{Key: "@@", Region: "eu"}\nreturn New(cfg)', ('Region: "eu"', "return New(cfg)")),
    "yaml": ("service:\n  name: mailer\n  credential: @@\n  replicas: 2\n", ("name: mailer", "replicas: 2")),
    "url": ("https://api.example/v1/items?access_token=@@&page=2", ("page=2", "https://api.example")),
    "traceback": (
        'Traceback (most recent call last):\n  File "app.py", line 12, in <module>\n    connect(@@)\n'
        "ValueError: bad credentials: @@ was refused",
        ("app.py", "line 12", "ValueError"),
    ),
    "chat": ("hey, can you try with @@ ? the old one expired on Friday", ("the old one expired on Friday",)),
    "sql": ("UPDATE integrations SET value = '@@' WHERE id = 17;", ("UPDATE integrations", "WHERE id = 17;")),
    "log": ("2026-03-01T09:12:44Z WARN auth refused key=@@ status=401", ("WARN auth refused", "status=401")),
    "markdown": ("1. Log in\n2. Paste `@@` into the field\n3. Save", ("1. Log in", "3. Save")),
    "json": (lambda secret: {"config": {"retries": 3, "items": ["eu", secret]}}, ("eu", "retries")),
    "json-text": (lambda secret: {"body": json.dumps({"n": 1, "auth": {"value": secret}})}, ("body",)),
    "diff": ("@@ -1,3 +1,3 @@\n-TOKEN = None\n+TOKEN = 'SECRET'\n print(1)", ("print(1)", "-TOKEN = None")),
}


def token_cases() -> Iterator[Case]:
    """Tokens in the form of their vendor; four places for each."""
    places = cycle(TOKEN_PLACES.items())
    for _ in range(4):
        for vendor, (token, kind) in tokens().items():
            place, (template, stay) = next(places)
            kinds = (kind, *(other for other in ANY_TOKEN if other != kind))
            if not isinstance(template, str):
                value = template(token)
            elif place == "diff":
                value = template.replace("SECRET", token)
            else:
                value = template.replace("@@", token)
            yield Case(f"token/{vendor}/{place}", value, [(token, kinds)], list(stay))


def key_cases() -> Iterator[Case]:
    """Private keys, whole and in one line."""
    for number in range(4):
        key, row = private_key()
        kinds = ("private_key",)
        yield Case(
            f"private-key/file/{number}", f"# deploy\n{key}\n# end", [(row, kinds)], ["# deploy", "# end"]
        )
        key, row = private_key("\r\n")
        yield Case(
            f"private-key/windows/{number}", {"file": "id.pem", "content": key}, [(row, kinds)], ["id.pem"]
        )
        key, row = private_key("\\n")
        yield Case(
            f"private-key/env/{number}", f'TLS_KEY="{key}"\nPORT=1', [(row, kinds)], ["PORT=1", "TLS_KEY"]
        )
        key, row = private_key()
        account = {"type": "service_account", "project_id": "acme-prod", "private_key": key}
        yield Case(f"private-key/account/{number}", account, [(row, kinds)], ["service_account", "acme-prod"])
        key, row = private_key()
        account = json.dumps({"project_id": "acme-prod", "private_key": key}, indent=2)
        yield Case(
            f"private-key/json-text/{number}", account, [(row.replace("/", "/"), kinds)], ["acme-prod"]
        )
        key, row = private_key("\n    ")
        yield Case(
            f"private-key/yaml/{number}",
            f"tls:\n  key: |\n    {key}\n  port: 443",
            [(row, kinds)],
            ["port: 443"],
        )


CONNECTIONS = [
    ("postgres://shop:@@@db.internal:5432/shop?sslmode=require", "sslmode=require"),
    ("postgresql+asyncpg://shop:@@@10-0-0-4.db/shop", "asyncpg"),
    ("mysql://root:@@@mysql.internal/orders", "mysql.internal/orders"),
    ("mongodb+srv://svc:@@@cluster0.x7k2p.mongodb.net/?retryWrites=true", "retryWrites=true"),
    ("redis://:@@@cache.internal:6379/0", "cache.internal:6379/0"),
    ("rediss://default:@@@cache.internal:6380", "cache.internal:6380"),
    ("amqps://worker:@@@mq.internal/vhost", "mq.internal/vhost"),
    ("smtp://mailer:@@@smtp.internal:587", "smtp.internal:587"),
    ("https://deploy:@@@git.internal/team/app.git", "git.internal/team/app.git"),
    ("ftp://upload:@@@files.internal/in", "files.internal/in"),
    ("Server=tcp:sql.internal,1433;Database=crm;User ID=app;Password=@@;Encrypt=True;", "Database=crm"),
    ("Data Source=ora;User Id=scott;Password=@@;Pooling=false", "Pooling=false"),
    ("host=db.internal port=5432 dbname=shop user=app password=@@ sslmode=require", "sslmode=require"),
    ("jdbc:postgresql://db.internal/shop?user=app&password=@@&ssl=true", "ssl=true"),
    ("jdbc:sqlserver://sql.internal:1433;databaseName=crm;user=app;password=@@;", "databaseName=crm"),
    ("Driver={ODBC Driver 18 for SQL Server};Server=sql;Uid=app;Pwd=@@;", "Server=sql"),
]
KEYED_CONNECTIONS = [
    ("Endpoint=sb://bus.example/;SharedAccessKeyName=Root;SharedAccessKey=@@", "SharedAccessKeyName=Root"),
    (
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=@@;EndpointSuffix=core.example",
        "AccountName=acme",
    ),
    ("HostName=hub.example;DeviceId=d1;SharedAccessKey=@@", "DeviceId=d1"),
    ("AccountEndpoint=https://cosmos.example:443/;AccountKey=@@;", "AccountEndpoint"),
    ("InstrumentationKey=x;IngestionEndpoint=https://in.example/;ApiKey=@@", "IngestionEndpoint"),
]
CONNECTION_PLACES = [
    "@@",
    "DATABASE_URL=@@",
    'engine = create_engine("@@")',
    "could not connect to @@ (timeout)",
]


def connection_cases() -> Iterator[Case]:
    """Passwords and keys in connection strings; what they connect to stays."""
    for number in range(3):
        for form, (template, stay) in enumerate(CONNECTIONS):
            secret = rng.choice(
                [some(ALNUM, 16), "p" + some(ALNUM, 11) + "_7", chosen_password().rstrip("#")]
            )
            line = CONNECTION_PLACES[(form + number) % 4].replace("@@", template, 1)
            # The template has a sign of its own before the host.
            yield text(
                f"connection/{form}/{number}", line, secret, "connection_string", "password", stay=(stay,)
            )
        for form, (template, stay) in enumerate(KEYED_CONNECTIONS):
            secret = base64.b64encode(some(ALNUM, 32).encode()).decode()
            line = CONNECTION_PLACES[(form + number) % 4].replace("@@", template, 1)
            kinds = ("connection_string", "api_key", "secret", "token")
            yield text(f"connection/keyed-{form}/{number}", line, secret, *kinds, stay=(stay,))
    for number in range(4):
        secret = chosen_password()
        value = {
            "db": {"connectionString": f"Server=sql;Database=crm;User Id=sa;Password={secret};", "pool": 5}
        }
        yield Case(
            f"connection/json/{number}", value, [(secret, ("connection_string", "password"))], ["pool"]
        )


SECRET_KINDS = ("password", "api_key", "token", "secret", "private_key", "authorization", "jwt", "cookie")
KEYED = [
    ("password", "password", "chosen"), ("DB_PASSWORD", "password", "chosen"), ("passphrase", "password", "chosen"),
    ("adminPassword", "password", "chosen"), ("smtp_pass", "password", "chosen"), ("pwd", "password", "chosen"),
    ("api_key", "api_key", "random"), ("apiKey", "api_key", "random"), ("X-Api-Key", "api_key", "random"),
    ("STRIPE_SECRET_KEY", "api_key", "random"), ("aws_secret_access_key", "api_key", "random"),
    ("ENCRYPTION_KEY", "api_key", "random"), ("signing_key", "api_key", "random"), ("WEATHER_APIKEY", "api_key", "random"),
    ("access_token", "token", "random"), ("refreshToken", "token", "random"), ("auth_token", "token", "random"),
    ("SESSION_TOKEN", "token", "random"), ("csrf_token", "token", "random"), ("token", "token", "random"),
    ("client_secret", "secret", "random"), ("SECRET", "secret", "random"), ("webhookSecret", "secret", "random"),
    ("JWT_SECRET", "secret", "random"), ("app_secret", "secret", "random"), ("credential", "secret", "random"),
]  # fmt: skip
KEYED_PLACES: dict[str, tuple[str | Callable[[str, str], Value], str]] = {
    "json": (lambda key, secret: {"id": 7, "settings": {key: secret, "region": "eu-west-1"}}, "eu-west-1"),
    "env": ("APP_ENV=production\n{key}={secret}\nWORKERS=4\n", "WORKERS=4"),
    "yaml": ("service:\n  region: eu-west-1\n  {key}: {secret}\n  retries: 5\n", "retries: 5"),
    "yaml-quoted": ("service:\n  {key}: \"{secret}\"\n  retries: 5\n", "retries: 5"),
    "toml": ('[service]\nregion = "eu"\n{key} = "{secret}"\nretries = 5\n', 'region = "eu"'),
    "python": ('service = Service(region="eu", {name}="{secret}", retries=5)', "retries=5"),
    "javascript": ("const options = {{ '{key}': '{secret}', retries: 5 }};", "retries: 5"),
    "go": ('opts := map[string]string{{"{key}": "{secret}", "region": "eu"}}', '"region": "eu"'),
    "log": ('INFO config loaded {{"region":"eu","{key}":"{secret}","retries":5}}', '"retries":5'),
    "escaped": ('INFO body="{{\\"{key}\\":\\"{secret}\\",\\"retries\\":5}}"', "retries"),
    "xml": ("<service><region>eu</region><{name}>{secret}</{name}></service>", "<region>eu</region>"),
    "flag": ("deploy --region eu --{flag} {secret} --verbose", "--verbose"),
    "flag-equals": ("deploy --region=eu --{flag}={secret} --verbose", "--verbose"),
    "entry": (lambda key, secret: {"env": [{"name": key, "value": secret}, {"name": "TZ", "value": "UTC"}]}, "UTC"),
    "arguments": (lambda key, secret: ["deploy", "--" + key.replace("_", "-"), secret, "--verbose"], "--verbose"),
    "table": (
        lambda key, secret: {"columns": ["id", key], "rows": [[1, secret]], "total": "one row"}, "one row"
    ),
    "form": ("user=bob&{key}={secret}&remember=1", "remember=1"),
    "powershell": ('$env:{name} = "{secret}"\nGet-Item app.ps1', "Get-Item app.ps1"),
}  # fmt: skip


def keyed_cases() -> Iterator[Case]:
    """Values that only the key or the name before them gives away."""
    places = list(KEYED_PLACES.items())
    for number, (key, kind, made) in enumerate(KEYED * 6):
        place, (template, stay) = places[(number * 5 + number // len(KEYED)) % len(places)]
        secret = chosen_password() if made == "chosen" else secret_value()
        if place in ("form", "url"):
            secret = secret.strip("#!$+/=") + "7"
        kinds = (kind, *(other for other in SECRET_KINDS if other != kind))
        if isinstance(template, str):
            named = key.replace("-", "_")
            value = template.format(key=key, name=named, flag=named.lower().replace("_", "-"), secret=secret)
        else:
            value = template(key, secret)
        yield Case(f"keyed/{key}/{place}/{number}", value, [(secret, kinds)], [stay])
    for number, template in enumerate(SAID * 2):
        secret = rng.choice([chosen_password().rstrip("!#$") + "Q7", secret_value()])
        yield text(
            f"keyed/said/{number}",
            template,
            secret,
            *SECRET_KINDS,
            stay=(next(word for word in template.split() if "@" not in word),),
        )


SAID = [
    "The password is @@ for the next two days.",
    "login: bob / password: @@",
    "your temporary password was @@, please change it",
    "API key: @@",
    "Here is the client secret: @@ (rotate it on Monday)",
    "sshpass -p @@ ssh deploy@build.internal uptime",
    "mysql -u root -p@@ shop -e 'select 1'",
    "PGPASSWORD=@@ pg_dump -h db.internal shop",
    "curl -u admin:@@ https://ci.internal/job/app/build",
    "ALTER USER app WITH PASSWORD '@@';",
    "CREATE USER 'app'@'localhost' IDENTIFIED BY '@@';",
    "docker login -u bob -p @@ registry.internal",
    "openssl enc -aes-256-cbc -in a.txt -k @@",
    "net use Z: \\\\files\\share /user:bob @@",
]


FILES: dict[str, tuple[str, str, str]] = {
    "npmrc": ("registry=https://npm.internal/\n//npm.internal/:_authToken=@@\nsave-exact=true\n", "random", "save-exact=true"),
    "netrc": ("machine git.internal\n  login bob\n  password @@\nmachine x\n", "chosen", "machine git.internal"),
    "pgpass": ("db.internal:5432:shop:app:@@\n", "chosen", "shop"),
    "properties": ("spring.datasource.url=jdbc:h2:mem\nspring.datasource.password=@@\nserver.port=8080\n", "chosen", "server.port=8080"),
    "dockerfile": ("FROM python:3.12\nENV API_TOKEN=@@\nRUN pip install .\n", "random", "RUN pip install ."),
    "dockerfile-space": ("FROM python:3.12\nENV API_TOKEN @@\nRUN pip install .\n", "random", "RUN pip install ."),
    "compose": ("services:\n  db:\n    environment:\n      - POSTGRES_PASSWORD=@@\n      - TZ=UTC\n", "chosen", "TZ=UTC"),
    "terraform": ('resource "db" "main" {\n  username = "app"\n  password = "@@"\n  size = 20\n}', "chosen", "size = 20"),
    "ansible": ("- name: add user\n  mysql_user: name=app password=@@ state=present\n", "chosen", "state=present"),
    "kubernetes": ("kind: Secret\nstringData:\n  admin-password: @@\ntype: Opaque\n", "chosen", "type: Opaque"),
    "actions": ("jobs:\n  build:\n    env:\n      NPM_TOKEN: @@\n    steps: []\n", "random", "steps: []"),
    "java": ('dataSource.setUser("app");\ndataSource.setPassword("@@");\ndataSource.setPort(5432);', "chosen", "setPort(5432)"),
    "csharp": ('var options = new Options { ApiKey = "@@", Retries = 3 };', "random", "Retries = 3"),
    "ruby": ("config.api_key = '@@'\nconfig.retries = 3\n", "random", "config.retries = 3"),
    "php": ("define('DB_PASSWORD', '@@');\ndefine('DB_HOST', 'localhost');", "chosen", "define('DB_HOST', 'localhost')"),
    "rust": ('let token = "@@".to_string();\nlet port = 8080;', "random", "let port = 8080;"),
    "hidden-input": ('<input type="hidden" name="csrf_token" value="@@"><button>Save</button>', "random", "<button>Save</button>"),
    "google-header": ("POST /v1/models HTTP/1.1\nx-goog-api-key: @@\ncontent-type: application/json\n", "random", "content-type: application/json"),
    "curl-data": ("curl -d 'grant_type=client_credentials&client_secret=@@&scope=read' https://id.internal/token", "random", "scope=read"),
    "markdown-table": ("| setting | value |\n|---|---|\n| password | @@ |\n| port | 5432 |", "chosen", "| port | 5432 |"),
    "csv": ("id,name,password\n7,bob,@@\n", "chosen", "id,name,password"),
    "german": ("Benutzer: bob\nPasswort: @@\nServer: files.internal", "chosen", "Server: files.internal"),
    "french": ("identifiant : bob\nmot de passe : @@\nserveur : files.internal", "chosen", "serveur"),
    "spanish": ("usuario: bob, contrase\u00f1a: @@, puerto: 5432", "chosen", "puerto: 5432"),
    "redis-cli": ("redis-cli -h cache.internal -a @@ ping", "chosen", "redis-cli"),
    "slack-hook": ("curl -X POST https://hooks.slack.com/services/T0" + "AB12CD3/B0AB12CD3/@@ -d '{}'", "alnum", "curl -X POST"),
    "signed-url": ("https://cdn.internal/a.zip?Expires=1900000000&Signature=@@&Key-Pair-Id=K2", "alnum", "Expires=1900000000"),
    "basic-url": ("pip install --index-url https://__token__:@@@pypi.internal/simple app", "alnum", "pip install"),
}  # fmt: skip


def file_cases() -> Iterator[Case]:
    """Secrets in the files, commands and languages that people keep them in."""
    for number in range(3):
        for name, (template, made, stay) in FILES.items():
            secret = {"chosen": chosen_password, "random": secret_value, "alnum": lambda: some(ALNUM, 24)}[
                made
            ]()
            kind = "password" if made == "chosen" or name == "basic-url" else "token"
            if name in ("csharp", "ruby", "google-header"):
                kind = "api_key"
            kinds = (kind, *(other for other in SECRET_KINDS if other != kind))
            yield text(f"file/{name}/{number}", template, secret, *kinds, stay=(stay,))


def header_cases() -> Iterator[Case]:
    """Headers that let somebody in."""
    for number in range(6):
        basic = base64.b64encode(f"svc-{number}:{some(ALNUM, 14)}".encode()).decode()
        bearer, cookie, signature = secret_value(), some(ALNUM, 32), some(HEX, 64)
        allowed = ("authorization", "token", "api_key", "secret", "jwt")
        yield text(
            f"header/basic/{number}",
            "> Authorization: Basic @@\n> Accept: */*",
            basic,
            *allowed,
            stay=("Accept",),
        )
        yield text(
            f"header/bearer/{number}",
            "authorization: Bearer @@\r\nhost: api",
            bearer,
            *allowed,
            stay=("host: api",),
        )
        value = {"headers": {"Authorization": f"Bearer {bearer}", "Accept": "text/html"}}
        yield Case(f"header/object/{number}", value, [(bearer, allowed)], ["text/html"])
        line = (
            "Authorization: AWS4-HMAC-SHA256 Credential=x/20260115/eu/s3/aws4_request, Signature=@@\nHost: s3"
        )
        yield text(f"header/aws/{number}", line, signature, *allowed, stay=("Host: s3",))
        cookies = ("cookie", "token", "secret")
        line = "GET /cart HTTP/1.1\r\nCookie: theme=dark; sessionid=@@\r\nAccept: */*"
        yield text(f"header/cookie/{number}", line, cookie, *cookies, stay=("GET /cart", "Accept: */*"))
        line = "< Set-Cookie: sid=@@; Path=/; HttpOnly\n< Server: nginx"
        yield text(f"header/set-cookie/{number}", line, cookie, *cookies, stay=("Server: nginx",))
        yield Case(
            f"header/jar/{number}", {"cookies": {"sid": cookie}, "n": "one"}, [(cookie, cookies)], ["one"]
        )
        token = jwt()
        yield text(
            f"header/jwt/{number}",
            "-H 'authorization: bearer @@' -v",
            token,
            "jwt",
            "authorization",
            stay=("-v",),
        )


PEOPLE_PLACES = [
    "Please send it to @@ before noon.",
    "customer 4711 | @@ | gold | 2024-05-01",
    "INFO sent reminder recipient=@@ attempt=2",
    "INSERT INTO contacts (id, info) VALUES (12, '@@');",
    '{"row": 3, "info": "@@", "kept": true',
    "Von: Shop\nAn: @@\nBetreff: Ihre Bestellung",
    'He wrote: "my details are @@, thanks".',
    "[12:04] agent: is @@ still right?\n[12:05] user: yes",
]
PEOPLE_STAY = [
    "before noon", "2024-05-01", "attempt=2", "INSERT INTO contacts", '"kept": true', "Ihre Bestellung", "He wrote",
    "still right",
]  # fmt: skip


def people_cases() -> Iterator[Case]:
    """Personal data in prose, logs, SQL and JSON."""
    makers: dict[str, Callable[[], str]] = {"email": email, "phone": phone, "card": card, "iban": iban}
    makers |= {"ip_address": lambda: ipv4() if rng.random() < 0.7 else ipv6()}
    for kind, make in makers.items():
        for number, place in enumerate(islice(cycle(PEOPLE_PLACES), 40)):
            made = make()
            if kind == "phone" and not made.startswith(("+", "(")) and made[3:4] not in "-.":
                # A national number is known by the word before it.
                for word in ("phone", "tel.", "mobile", "Telefon", "call me on")[number % 5 :][:1]:
                    place = place.replace("@@", f"{word}: @@" if " " not in word else f"{word} @@")
            yield text(f"{kind}/text/{number}", place, made, kind, stay=(PEOPLE_STAY[number % 8],))
    for number, (name, make) in enumerate(islice(cycle(EVERYWHERE.items()), 45)):
        place, stay = PEOPLE_PLACES[number % 8], PEOPLE_STAY[number % 8]
        yield text(f"national_id/{name}/{number}", place, make(), "national_id", stay=(stay,))
    for number, (name, make) in enumerate(islice(cycle(NAMED.items()), 40)):
        made = make()
        place = ["{name}: @@, born 1980", "Her {name} is @@.", "{name} @@ was checked", "{name}=@@"][
            number // 10
        ]
        stay = {0: "born 1980", 2: "was checked"}.get(number // 10, name)
        yield text(
            f"national_id/said-{name}/{number}", place.format(name=name), made, "national_id", stay=(stay,)
        )
    for number in range(8):
        address, number_, iban_ = email(), phone(), iban()
        person = {
            "id": number,
            "contact": {"email": address, "phone": number_},
            "bank": {"iban": iban_},
            "plan": "gold",
        }
        gone = [(address, ("email",)), (number_, ("phone",)), (iban_, ("iban",))]
        yield Case(f"person/json/{number}", person, gone, ["gold", "contact"])
        passport, born = some("ABCDEFGH", 1) + digits(8), "national_id"
        value = {"passport_number": passport, "ssn": "123456789", "country": "Norway"}
        yield Case(
            f"person/identity/{number}", value, [(passport, (born,)), ("123456789", (born,))], ["Norway"]
        )
        value = {
            "client_ip": ipv4(),
            "path": "/cart",
            "as_number": int(card().replace(" ", "").replace("-", "")),
        }
        gone = [(str(value["client_ip"]), ("ip_address",)), (str(value["as_number"]), ("card",))]
        yield Case(f"person/request/{number}", value, gone, ["/cart"])


def planted() -> Iterator[Case]:
    """Every case with something that must go."""
    yield from token_cases()
    yield from key_cases()
    yield from connection_cases()
    yield from keyed_cases()
    yield from file_cases()
    yield from header_cases()
    yield from people_cases()
