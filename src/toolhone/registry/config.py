"""Read downstream MCP servers from a file in the hosts' own format.

    {"mcpServers": {
        "git": {"command": "uvx", "args": ["mcp-server-git"], "toolhone": {"trusted": true}},
        "docs": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}

`mcpServers` (Claude, Cursor) and `servers` (VS Code) are both read. What only toolhone knows stands
under `toolhone` inside an entry, where hosts do not look. The lists of tools that hosts know
(`disabledTools`, `enabledTools` and their other names) hold here too. A relative `cwd` or `envFile` starts
at the file's folder. One wrong entry costs only its own server: it carries its `problem`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from toolhone.exceptions import ConfigurationError
from toolhone.models import Category, Json, JsonObject, Limits, OutputValidation, content_hash
from toolhone.registry.oauth_settings import OAUTH_KEY, OAuth, read_oauth, unused_keys
from toolhone.registry.self_reference import starts_toolhone
from toolhone.registry.variables import expand

SERVER_KEYS = ("mcpServers", "servers")
OWN_KEY = "toolhone"

DENY_KEYS = ("disabledTools", "excludeTools")
ALLOW_KEYS = ("enabledTools", "includeTools", "allowedTools")
"""As hosts write them inside an entry. What only asks before a call (`autoApprove`, say) is not here."""

DENIED = "on the deny list of its server"
NOT_ALLOWED = "not on the allow list of its server"

_NOT_OF_THE_LISTING = (OWN_KEY, "disabled", *DENY_KEYS, *ALLOW_KEYS)
_HTTP_TYPES = {"http": "http", "streamable-http": "http", "streamableHttp": "http", "sse": "sse"}
_OUTSIDE_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class LimitSettings(_Strict):
    """Bounds under `toolhone.limits`; what is absent is left to the global setting."""

    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    max_calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    max_result_bytes: Annotated[int, Field(ge=1)] | None = None

    def limits(self) -> Limits:
        return Limits(
            max_concurrency=self.max_concurrency,
            max_calls_per_minute=self.max_calls_per_minute,
            timeout_seconds=self.timeout_seconds,
            max_result_bytes=self.max_result_bytes,
        )


class ToolSettings(LimitSettings):
    """One tool under `toolhone.tools`, by the name its server gives it."""

    output_validation: OutputValidation | None = None
    category: Category | None = None


class ServerSettings(_Strict):
    """The `toolhone` object of an entry."""

    allow: tuple[str, ...] | None = None
    """Patterns (`*`, `?`, `[...]`) on the server's own tool names; absent means all."""
    deny: tuple[str, ...] = ()
    """Wins over `allow`."""
    trusted: bool = False
    """Whether the annotations of its tools are believed."""
    limits: LimitSettings = LimitSettings()
    tools: dict[str, ToolSettings] = {}
    start_timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    category: Category = Category.GENERAL
    output_validation: OutputValidation = OutputValidation.WARN


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How to start a stdio server. Holds expanded secrets: never write it anywhere."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str]
    cwd: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an HTTP server is. Holds expanded secrets: never write it anywhere."""

    url: str
    headers: Mapping[str, str]
    transport: Literal["http", "sse"]
    oauth: OAuth | None = None
    """How to log in if it asks for that; `None` if what it is sent is in `headers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEntry:
    """One downstream server. Exactly one of `target` and `problem` is set."""

    name: str
    fingerprint: str
    """Hash of the entry before expansion, without what does not change its listing."""
    target: Command | Endpoint | None
    settings: ServerSettings
    host_allow: tuple[tuple[str, ...], ...] = ()
    """The allow lists that hosts know, beside ours in `settings`; a tool must match each that there is."""
    host_deny: tuple[str, ...] = ()
    disabled: bool = False
    problem: ConfigurationError | None = None

    def refusal(self, original_name: str) -> str | None:
        """Why this tool of the server may not be seen and called, or `None`. A deny list wins."""

        def matches(patterns: Sequence[str]) -> bool:
            return any(fnmatchcase(original_name, pattern) for pattern in patterns)

        allow = self.host_allow if self.settings.allow is None else (*self.host_allow, self.settings.allow)
        if matches(self.settings.deny) or matches(self.host_deny):
            return DENIED
        return None if all(matches(patterns) for patterns in allow) else NOT_ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersFile:
    """What a file said: entries in its order, and what the user should know about the rest."""

    entries: tuple[ServerEntry, ...]
    notices: tuple[str, ...] = ()


def load_servers(path: Path, environ: Mapping[str, str]) -> ServersFile:
    """Read the file. Blocking.

    Raises:
        ConfigurationError: It cannot be read, is not JSON, or names no servers at all.
    """
    entries: list[ServerEntry] = []
    notices: list[str] = []
    for name, raw in _raw_entries(path).items():
        if isinstance(raw, dict) and starts_toolhone(_words(cast("JsonObject", raw))):
            notices.append(f"Server {name!r} in {str(path)!r} would start toolhone itself; it is skipped.")
            continue
        entry = _read_entry(name, raw, folder=path.resolve().parent, environ=environ)
        if entry.problem is not None:
            notices.append(entry.problem.message)
        elif unused := unused_keys(cast("JsonObject", raw).get(OAUTH_KEY)):
            notices.append(f"Server {name!r}: oauth.{unused[0]} is nothing that toolhone goes by.")
        entries.append(entry)
    return ServersFile(entries=tuple(entries), notices=tuple(notices))


class _Object(dict[str, Json]):
    """A JSON object that remembers keys which stood in it twice."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Json]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        result.repeated = tuple(key for key in result if keys.count(key) > 1)
    return result


def _raw_entries(path: Path) -> JsonObject:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"The servers file {str(path)!r} cannot be read: {exc}.") from exc
    document = _parse(text, path)
    found = [key for key in SERVER_KEYS if isinstance(document, _Object) and key in document]
    if not found:
        raise ConfigurationError(
            f"{str(path)!r} names no servers: expected a JSON object with the key "
            "'mcpServers' (as Claude and Cursor write it) or 'servers' (as VS Code does)."
        )
    merged: JsonObject = {}
    for key in found:
        servers = cast("_Object", document)[key]
        if not isinstance(servers, _Object):
            raise ConfigurationError(f"{key!r} in {str(path)!r} must be an object of servers by name.")
        twice = [*servers.repeated, *(name for name in servers if name in merged)]
        if twice:
            raise ConfigurationError(
                f"Server {twice[0]!r} stands twice in {str(path)!r}; rename or remove one of them."
            )
        merged.update(servers)
    return merged


def _parse(text: str, path: Path) -> Json:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError:
        pass
    # VS Code and Cursor read comments and trailing commas. Line breaks are kept, so positions stay true.
    bare = _OUTSIDE_STRINGS.sub(
        lambda match: match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0]), text
    )
    bare = _TRAILING_COMMA.sub(lambda match: match[0] if match[0][0] == '"' else " ", bare)
    try:
        return json.loads(bare, object_pairs_hook=_object)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{str(path)!r} is not JSON: {exc}.") from exc


def _read_entry(name: str, raw: Json, *, folder: Path, environ: Mapping[str, str]) -> ServerEntry:
    fingerprint = content_hash(
        {key: value for key, value in cast("JsonObject", raw).items() if key not in _NOT_OF_THE_LISTING}
        if isinstance(raw, dict)
        else raw
    )
    settings = ServerSettings()
    allow: tuple[tuple[str, ...], ...] = ()
    deny: tuple[str, ...] = ()
    disabled = False
    try:
        if not isinstance(raw, dict):
            raise ConfigurationError("must be an object with 'command' or 'url'.")
        entry = _Reader(cast("JsonObject", raw), folder, environ)
        disabled = entry.flag("disabled")
        settings = _read_settings(entry.raw.get(OWN_KEY, {}))
        allow = tuple(entry.patterns(key) for key in ALLOW_KEYS if entry.raw.get(key) is not None)
        deny = tuple(pattern for key in DENY_KEYS for pattern in entry.patterns(key))
        # A disabled server may well name variables that are not set here.
        target = None if disabled else entry.target()
    except ConfigurationError as exc:
        problem = type(exc)(f"Server {name!r}: {exc.message}", data={"server": name, **exc.data})
        return ServerEntry(
            name=name,
            fingerprint=fingerprint,
            target=None,
            settings=settings,
            disabled=disabled,
            problem=problem,
        )
    return ServerEntry(
        name=name,
        fingerprint=fingerprint,
        target=target,
        settings=settings,
        host_allow=allow,
        host_deny=deny,
        disabled=disabled,
    )


def _read_settings(raw: Json) -> ServerSettings:
    try:
        return ServerSettings.model_validate(raw)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        field = ".".join([OWN_KEY, *(str(part) for part in first["loc"])])
        known = "" if first["type"] != "extra_forbidden" else " There is no such setting."
        raise ConfigurationError(f"{field}: {first['msg']}.{known}", data={"field": field}) from exc


class _Reader:
    """Takes typed, expanded fields out of one entry; every error names its field."""

    def __init__(self, raw: JsonObject, folder: Path, environ: Mapping[str, str]) -> None:
        self.raw = raw
        self._folder = folder
        self._environ = environ

    def target(self) -> Command | Endpoint:
        kind = self._kind()
        if kind == "stdio":
            return Command(
                command=self._text("command"),
                args=tuple(
                    self._expand(f"args[{index}]", word) for index, word in enumerate(self._list("args"))
                ),
                env={**self._env_file(), **self._map("env")},
                cwd=self._folder / self._text("cwd") if self.raw.get("cwd") is not None else None,
            )
        url = self._text("url")
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError("url: must begin with http:// or https://.", data={"field": "url"})
        headers = self._map("headers")
        oauth = read_oauth(self.raw.get(OAUTH_KEY), self._expand, headers)
        return Endpoint(url=url, headers=headers, transport=kind, oauth=oauth)

    def patterns(self, field: str) -> tuple[str, ...]:
        values = self._list(field)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(field, "a list of strings")
        return tuple(values)

    def flag(self, field: str) -> bool:
        value = self.raw.get(field, False)
        if not isinstance(value, bool):
            raise self._wrong(field, "true or false")
        return value

    def _kind(self) -> Literal["stdio", "http", "sse"]:
        kind: Json = self.raw.get("type")
        if kind is None:
            if ("command" in self.raw) == ("url" in self.raw):
                raise ConfigurationError("must have either 'command' or 'url'.")
            return "stdio" if "command" in self.raw else "http"
        if kind == "stdio":
            return "stdio"
        if isinstance(kind, str) and kind in _HTTP_TYPES:
            return cast("Literal['http', 'sse']", _HTTP_TYPES[kind])
        raise self._wrong("type", f"one of stdio, {', '.join(_HTTP_TYPES)}")

    def _expand(self, field: str, value: Json) -> str:
        if not isinstance(value, str):
            raise self._wrong(field, "a string")
        try:
            return expand(value, self._environ)
        except ConfigurationError as exc:
            raise type(exc)(f"{field}: {exc.message}", data={"field": field, **exc.data}) from exc

    def _text(self, field: str) -> str:
        value = self._expand(field, self.raw.get(field))
        if not value:
            raise self._wrong(field, "a string that is not empty")
        return value

    def _list(self, field: str) -> Sequence[Json]:
        value: Json = self.raw.get(field)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._wrong(field, "a list of strings")
        return cast("list[Json]", value)

    def _map(self, field: str) -> dict[str, str]:
        value: Json = self.raw.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(field, "an object of strings")
        # Numbers and booleans are written without quotes often enough, and hosts take them.
        return {
            key: self._expand(f"{field}.{key}", json.dumps(part) if isinstance(part, (int, float)) else part)
            for key, part in cast("JsonObject", value).items()
        }

    def _env_file(self) -> dict[str, str]:
        if self.raw.get("envFile") is None:
            return {}
        path = self._folder / self._text("envFile")
        try:
            return dict(_assignments(path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationError(
                f"envFile: {str(path)!r} cannot be read: {exc}.", data={"field": "envFile"}
            ) from exc

    def _wrong(self, field: str, expected: str) -> ConfigurationError:
        if field not in self.raw and "[" not in field and "." not in field:
            return ConfigurationError(f"{field} is missing: must be {expected}.", data={"field": field})
        return ConfigurationError(f"{field}: must be {expected}.", data={"field": field})


def _assignments(text: str) -> list[tuple[str, str]]:
    """The `NAME=value` lines of a .env file."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or name.startswith("#"):
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = re.split(r"\s#", value, maxsplit=1)[0].rstrip()
        found.append((name, value))
    return found


def _words(raw: JsonObject) -> list[str]:
    args: Json = raw.get("args")
    words = [raw.get("command"), *(cast("list[Json]", args) if isinstance(args, list) else ())]
    return [word for word in words if isinstance(word, str)]
