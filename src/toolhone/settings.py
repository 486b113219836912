"""Environment, settings file and command line, turned into one frozen Settings.

Order, strongest first: command-line options, `TOOLHONE_*` variables, `settings.toml` in the user's
configuration folder (or the file named by `TOOLHONE_SETTINGS`), defaults.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from toolhone.exceptions import ConfigurationError
from toolhone.models import Category, Json
from toolhone.roles import Role

PREFIX = "TOOLHONE_"

SnapshotMode = Literal["off", "metadata", "redacted"]

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def config_folder() -> Path:
    """The user's configuration folder: `mcp.json`, `settings.toml`, `tool_registry/`."""
    return Path(platformdirs.user_config_dir("toolhone", appauthor=False))


def data_folder() -> Path:
    """The user's data folder: the audit log, caches, stored results."""
    return Path(platformdirs.user_data_dir("toolhone", appauthor=False))


def _names_of(value: Json) -> Json:
    """A variable of the environment is text: names with commas between them, or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [name for name in (part.strip() for part in value.split(",")) if name]


def _object_of(value: Json) -> Json:
    """A variable of the environment is text, which then is JSON."""
    return json.loads(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """Everything that can be set. Sizes are bytes, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Path | None = None
    """Downstream servers, in the hosts' format; default: `mcp.json` in the configuration folder."""
    registry: Path | None = None
    """Folder of tool files; default: `tool_registry` in the configuration folder."""
    data: Path = Field(default_factory=data_folder)
    """Folder of the audit log, caches and stored results."""

    call_timeout: Seconds = 60
    """Time limit of a call whose tool and server set none; time in queues is not counted."""
    start_timeout: Seconds = 30
    """How long a downstream server may take to start and list its tools."""
    max_starting: int = Field(default=4, ge=1, le=64)
    """Downstream servers started at once."""
    server_concurrency: int = Field(default=16, ge=1, le=1024)
    """Calls at once to one downstream server."""
    caller_concurrency: int = Field(default=64, ge=1, le=4096)
    """Calls at once of one caller."""
    max_calls: int = Field(default=64, ge=1, le=1024)
    """Calls in one batch."""

    result_limit: int = Field(default=8_192, ge=1_024, le=16_777_216)
    """A larger result is kept behind a handle and shown as a preview."""
    preview_size: int = Field(default=224, ge=128, le=16_777_216)
    """How much of such a result is shown."""
    result_lifetime: Seconds = 3_600
    """How long a handle is good."""
    results_size: int = Field(default=268_435_456, ge=1_048_576)
    """Cap of the store of whole results; the oldest go first."""

    dense_weight: float = Field(default=0.7, ge=0, le=1)
    """Share of meaning against words in a tool's score."""
    sentence_weight: float = Field(default=0.5, ge=0, le=1)
    """Share of the best sentence against the whole task."""
    server_weight: float = Field(default=0.2, ge=0, le=1)
    """Share of a tool's server against the tool."""
    late_weight: float = Field(default=0.3, ge=0, le=1)
    """Share of the comparison token by token, among the first candidates; 0 leaves it out."""
    token_budget: int | None = Field(default=None, ge=50)
    """Budget of a find_tools answer, and of the catalog, when the caller names none."""
    token_margin: float = Field(default=0, ge=0, le=1)
    """By what share the model's tokenizer may count more than o200k_base, with which budgets are counted."""

    mode: Literal["meta", "native"] = "meta"
    """What a client is listed: toolhone's own tools, or beside them those that are pinned for "*"."""

    pins: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_object_of)] = {}
    """Tools that a client is always shown, after those that the task names: their names by patterns on the
    name that the client gives itself; "*" is every client."""
    explore: float = Field(default=0, ge=0, le=0.2)
    """Share of answers whose last place goes to a tool that was rarely shown, to learn how it does."""

    learn_after: int = Field(default=200, ge=0)
    """New calls after which is learned from use; 0 is never."""
    remember_tasks: Literal["text", "vector"] = "text"
    """What the audit keeps of a task: its redacted text, or its vector only."""

    role: Role = Role.ADMIN
    """What callers may do at most: viewer, agent, operator or admin. That holds for who has a token, for
    logins and for the command line too."""

    remote: bool = False
    """Whether HTTP may listen on an address that other machines can reach."""
    hosts: Annotated[tuple[str, ...], BeforeValidator(_names_of)] = ()
    """Names besides those of loopback by which toolhone is reached, as in `tools.example.com` or with a port:
    what stands in the Host header, and what pages may be served from."""
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(_names_of)] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as in
    `10.0.0.5`. Without any, all that comes through a proxy comes from the proxy's address."""
    open_loopback: bool = False
    """Whether `/mcp`, `/sse` and `/messages` ask programs of this machine for no credential. They are agents
    then, or what `role` says if it is set."""
    quiet_start: bool = False
    """Whether the first token and the login address go to files in the data folder and not to stderr."""
    requests_per_minute: int = Field(default=60_000, ge=1, le=1_000_000)
    """Of one credential, unless its token says otherwise."""
    largest_body: int = Field(default=4_194_304, ge=65_536, le=1_073_741_824)
    """Of a request over HTTP."""
    largest_upload: int = Field(default=1_073_741_824, ge=65_536)
    """Of snapshots that are imported over HTTP, which are read as they come."""
    oauth_issuer: str | None = None
    """The authorization server whose access tokens are accepted beside API tokens; `oauth_jwks` and
    `oauth_audience` are needed with it."""
    oauth_jwks: str | None = None
    """Where its keys are: a file, or an https address."""
    oauth_audience: str | None = None
    """The address that its tokens must be made for: that of this toolhone's /mcp as clients know it."""
    oauth_role_claim: str = "toolhone_role"
    """The claim that has the role. Scopes such as `toolhone:agent` narrow it, or stand for it."""

    approve: Literal["first_use", "all", "off"] = "first_use"
    """Which definitions of downstream tools wait for an admin: those that changed since their tool was first
    seen, `all` that are new too, or none."""
    allow_tools: Annotated[dict[Role, tuple[str, ...]], BeforeValidator(_object_of)] = {}
    """The tools that a role may find and call, by patterns on their names; a role that is not named, nor in
    `allow_servers`, may use every tool."""
    allow_servers: Annotated[dict[Role, tuple[str, ...]], BeforeValidator(_object_of)] = {}
    """The same by patterns on the names of their servers; `local` is what is no server's."""

    snapshots: Annotated[dict[str, SnapshotMode], BeforeValidator(_object_of)] = {}
    """Which tool calls become snapshots by themselves, by the category of the tool: `off`, `metadata` or
    `redacted`; "*" is every category that is not named."""
    snapshot_days: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_object_of)] = {"*": 365}
    """How many days snapshots are kept, by category; "*" is every category that is not named."""
    audit_days: int = Field(default=365, ge=0, le=36_500)
    """How many days rows of the audit keep what they hold, arguments and results; 0 is for ever. The rows
    themselves stay, as their chain is made of them."""
    export_folder: Path | None = None
    """Where snapshots and the audit are exported to as JSON lines, and kept up to date; default: nowhere."""
    export_size: int = Field(default=67_108_864, ge=65_536)
    """Of an export file, after which the next is begun; each day begins one too."""
    export_files: int = Field(default=90, ge=1)
    """How many files of each kind are kept there."""
    usd_per_hour: float = Field(default=0, ge=0, allow_inf_nan=False)
    """What an hour of this machine is reckoned at, for trainings here; 0 is free."""
    prices: Path | None = None
    """A TOML file of prices that add to the packaged ones and replace them."""
    openai_url: str = "https://api.openai.com/v1"
    """The fine-tuning API that the provider `openai` speaks to; any that speaks OpenAI's."""
    openai_key: str = "OPENAI_API_KEY"
    """Name of the environment variable that has its key."""
    openai_profile: Literal["openai", "azure"] = "openai"
    """Whose ways it has: `azure` for Azure OpenAI."""
    openai_deployments: Annotated[dict[str, str], BeforeValidator(_object_of)] = {}
    """On Azure: the deployments by which models are asked."""
    scorers: Annotated[dict[str, str], BeforeValidator(_object_of)] = {}
    """Python functions that score held-out answers, `module:function` by the name they are asked for."""
    judge_model: str | None = None
    """The model that scores held-out answers where the scorer `judge` is asked for."""
    judge_url: str = "https://api.openai.com/v1"
    """Where it is: any endpoint that speaks OpenAI's chat API."""
    judge_key: str = "OPENAI_API_KEY"
    """Name of the environment variable that has its key."""

    durable: bool = False
    """Flush every audit row to the disk itself: survives power loss, costs milliseconds a call."""

    _origins: dict[str, str] = PrivateAttr(default_factory=dict[str, str])

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value came from, by the name of its setting; those that are not in it are defaults."""
        return self._origins

    def coming_from(self, origins: Mapping[str, str]) -> "Settings":
        """The same, knowing where each value came from."""
        copy = self.model_copy()
        copy._origins = dict(origins)
        return copy

    @field_validator("snapshots", "snapshot_days")
    @classmethod
    def _known_categories(cls, value: dict[str, Json]) -> dict[str, Json]:
        known = ["*", *(category.value for category in Category)]
        if strange := sorted(value.keys() - set(known)):
            raise ValueError(f"there is no category {strange[0]!r}; there are {', '.join(known)}")
        return value


def load_settings(environ: Mapping[str, str], **options: Json) -> Settings:
    """Settings from options, environment and file. Options that are `None` count as not given.

    Raises:
        ConfigurationError: A value, variable or file is not valid; the message names it.
    """
    values: dict[str, Json] = {}
    file = Path(environ.get(f"{PREFIX}SETTINGS") or config_folder() / "settings.toml")
    origins: dict[str, str] = {}
    if file.is_file():
        values |= _read_file(file)
        origins |= dict.fromkeys(values, str(file))
    elif f"{PREFIX}SETTINGS" in environ:
        raise ConfigurationError(f"The settings file {str(file)!r} named by TOOLHONE_SETTINGS is missing.")
    for name in Settings.model_fields:
        if text := environ.get(f"{PREFIX}{name.upper()}"):
            values[name] = text
            origins[name] = f"{PREFIX}{name.upper()}"
    given = {name: value for name, value in options.items() if value is not None}
    values |= given
    for name, value in given.items():
        # The command line reads some variables itself, and hands their values on as options.
        if origins.get(name) != f"{PREFIX}{name.upper()}" or environ[f"{PREFIX}{name.upper()}"] != str(value):
            origins[name] = "command line"
    for name, default in (("config", "mcp.json"), ("registry", "tool_registry")):
        if name not in values and (path := config_folder() / default).exists():
            values[name] = path
            origins[name] = "found there"
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()
        )
        raise ConfigurationError(f"The settings are not valid: {problems}.") from exc
    return settings.coming_from(origins)


def _read_file(file: Path) -> dict[str, Json]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigurationError(f"The settings file {str(file)!r} cannot be read: {exc}.") from exc
