"""The nouns of toolhone: tools, calls, results and audit events, as frozen data without behaviour.

Wire forms (MCP, files, HTTP) are turned into these where they enter and back where they leave.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from toolhone.roles import Permission, Role

Json: TypeAlias = Any
"""Any JSON value. A recursive alias costs more casts at the edges than it finds errors."""

JsonObject: TypeAlias = dict[str, Json]

ProgressReporter: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Receives (progress, total, message) while a call runs."""


LOCAL = "local"
"""How answers and the rules for servers name the server of tools that are no server's."""


class Category(StrEnum):
    """What kind of agent a tool is for."""

    CORE_SECURITY = "core_security"
    AI_INTELLIGENCE = "ai_intelligence"
    ECOMMERCE = "ecommerce"
    MARKETING_BRAND = "marketing_brand"
    WORDPRESS_CMS = "wordpress_cms"
    CUSTOMER_SERVICE = "customer_service"
    SPECIALIZED = "specialized"
    GENERAL = "general"


class OutputValidation(StrEnum):
    """What happens when structured output does not match the tool's output schema."""

    OFF = "off"
    WARN = "warn"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """MCP's tool annotations. `None` means the tool did not say."""

    title: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on running one tool. `None` means the setting of its server, then the global default."""

    max_concurrency: int | None = None
    max_calls_per_minute: int | None = None
    timeout_seconds: float | None = None
    max_result_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """One tool as callers see it."""

    name: str
    """What callers say: at most 50 characters of `[a-z0-9_]`; `server__tool` for downstream tools."""
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    annotations: Annotations = Annotations()
    category: Category = Category.GENERAL
    limits: Limits = Limits()
    output_validation: OutputValidation = OutputValidation.WARN
    server: str | None = None
    """The downstream server's name in the configuration; `None` for a local tool."""
    original_name: str = ""
    """The name under which its own server knows it; equals `name` for a local tool."""
    trusted: bool = True
    """Whether its annotations are believed. Local tools are; a server's only if configured so."""

    @property
    def server_name(self) -> str:
        """Its server's name for people and in answers; `local` if it is no server's."""
        return self.server or LOCAL

    @property
    def read_only(self) -> bool:
        """Known to change nothing: annotated so, by somebody who is believed."""
        return self.trusted and self.annotations.read_only is True

    @property
    def repeatable(self) -> bool:
        """Safe to send again when the outcome of the first attempt is unknown."""
        return self.read_only or (self.trusted and self.annotations.idempotent is True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asked. `principal` is what rights and handles are bound to; the rest is for the record."""

    principal: str
    client: str | None = None
    session: str | None = None
    role: Role = Role.ADMIN
    """What it may do. The user of this machine may do everything."""
    scopes: frozenset[Permission] | None = None
    """What its credential is for; `None` is all that its role allows."""
    tools: tuple[str, ...] | None = None
    """Patterns of names of tools that its credential is for; `None` is all that its role allows."""


LOCAL_CALLER = Caller(principal="local")
"""The user of this machine: stdio, the CLI and the Python library."""


@dataclass(slots=True)
class CallTrace:
    """What happened to one call on its way: filled in by the links, read by audit and answer."""

    execution_time_ms: float = 0.0
    """Wall time inside the time limit, over all attempts; time spent in queues is not in it."""
    attempts: int = 0
    tokens_used: int = 0
    """o200k tokens of the arguments plus of the result as the caller gets it."""
    repairs: list[str] = field(default_factory=list[str])
    sent: JsonObject | None = None
    """The arguments the tool got, if a repair changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What of a result its caller wants to see; the whole is kept."""

    fields: tuple[str, ...] = ()
    """Dotted names or JSON Pointers."""
    limit: int | None = None
    """Rows at most."""
    grep: str | None = None
    """Only rows or lines that contain this, in whatever case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call on its way through the chain."""

    call_id: str
    request_id: str
    """Joins the calls of one request to toolhone."""
    slot: str
    """The id the caller gave this call inside its batch."""
    tool: str
    """The name as asked; `resolved` is the tool found under it, `None` if there is none."""
    arguments: JsonObject
    asked: Json = None
    """The arguments in the caller's words, if references or a malformed call make them differ."""
    caller: Caller
    user_id: str | None = None
    """Whose work it is, in the words of the caller: for the record, no right comes of it."""
    resolved: ToolDefinition | None = None
    excerpt: Excerpt | None = None
    read_only_asked: bool = False
    """The caller used the entrance for read-only tools, so nothing else may run."""
    report_progress: ProgressReporter | None = None
    trace: CallTrace = field(default_factory=CallTrace, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a tool answered, as MCP content blocks in their wire form."""

    content: tuple[JsonObject, ...] = ()
    structured: Json = None
    """`structuredContent`; meaningful only if `has_structured`, because null is a value too."""
    has_structured: bool = False
    is_error: bool = False
    notices: tuple[str, ...] = ()
    """What happened on the way that the caller should know (a warning of output validation, say)."""
    handle: str | None = None
    """Set if this is a preview: where the whole result can be read."""
    whole: "ToolOutput | None" = field(default=None, repr=False)
    """Set if this is a preview: the answer it was made from, for references between calls."""
    shown: str | None = field(default=None, repr=False)
    """What a model reads in place of the JSON of the value, where that takes fewer tokens."""

    @property
    def text(self) -> str:
        """All text blocks, joined by newlines."""
        return "\n".join(block["text"] for block in self.content if block.get("type") == "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An error as a caller gets it: a stable code, and a message that says what to do next."""

    code: str
    message: str
    data: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The answer in one slot of a batch: exactly one of `result` and `error` is meaningful."""

    slot: str
    tool: str
    success: bool
    execution_time_ms: float
    """Wall time of the call itself, without the time spent in queues."""
    tokens_used: int
    """o200k tokens of the arguments plus of the result as the caller gets it."""
    result: Json = None
    error: ErrorInfo | None = None
    handle: str | None = None
    """Where the whole result can be read when `result` is a preview."""
    notices: tuple[str, ...] = ()
    content: tuple[JsonObject, ...] = field(default=(), repr=False)
    """Blocks that are not text (images, say), which cannot stand in `result`."""
    shown: str | None = field(default=None, repr=False)
    """What a model reads in place of the JSON of `result`, where that takes fewer tokens."""


class EventKind(StrEnum):
    """What an audit row is about."""

    CALL = "call"
    REFUSAL = "refusal"
    REPAIR = "repair"
    RETRY = "retry"
    SELECTION = "selection"
    DESCRIPTION = "description"
    RESULT_READ = "result_read"
    SERVER = "server"
    ERASURE = "erasure"
    SNAPSHOT = "snapshot"
    DATASET = "dataset"
    JOB = "job"
    MODEL = "model"
    ACCESS = "access"
    """Tokens issued and revoked, logins, credentials that were refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened, before redaction. `payload` is redacted before it is written."""

    event_id: str
    timestamp: str
    """UTC, ISO 8601 with microseconds and `+00:00`."""
    kind: EventKind
    caller: Caller
    request_id: str | None = None
    """Joins everything that one request to toolhone caused: a selection, or a batch and its calls."""
    call_id: str | None = None
    """Joins a call with its repairs and retries."""
    slot: str | None = None
    tool: str | None = None
    server: str | None = None
    success: bool | None = None
    error_code: str | None = None
    execution_time_ms: float | None = None
    tokens_used: int | None = None
    payload: JsonObject = field(default_factory=dict[str, Json])


def canonical_json(value: Json) -> str:
    """The one spelling of a JSON value that hashes are taken over: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: Json) -> str:
    """SHA-256 of the canonical JSON, with its algorithm in the prefix."""
    return text_hash(canonical_json(value))


def text_hash(text: str) -> str:
    """SHA-256 of a text, likewise."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
