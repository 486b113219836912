"""What endpoints about the audit take and give."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Json, JsonObject
from toolhone.server.api.bodies_of_tools import Taken

ROW: JsonObject = {
    "audit_id": "01JD2V7K8Q3M5R9T1W3Y5Z7B9D",
    "request_id": "01JD2V7K8Q3M5R9T1W3Y5Z7B9C",
    "tool_name": "add",
    "provider": "local",
    "user_id": "token:k3v9x2m7q1",
    "parameters": {"a": 2, "b": 3},
    "success": True,
    "error": None,
    "execution_time_ms": 0.42,
    "tokens_used": 17,
    "violation": False,
    "violation_reason": None,
    "timestamp": "2026-11-23T10:48:03.123456+00:00",
    "seq": 41,
    "kind": "call",
    "call_id": "01JD2V7K8Q3M5R9T1W3Y5Z7B9E",
    "slot": "1",
    "server": None,
    "error_code": None,
    "client": None,
    "session": None,
    "result": {"sum": 5},
    "details": {},
    "row_hash": "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "erased": False,
}


class AuditEntry(BaseModel):
    """One thing that happened, redacted, in the form of an exported row."""

    model_config = ConfigDict(extra="allow")

    audit_id: str
    request_id: str | None
    """Joins what one request caused."""
    tool_name: str | None
    provider: str | None
    """The downstream server's name, or `local`."""
    user_id: str
    """The principal: whose credential it was."""
    parameters: Json
    success: bool | None
    error: Json
    execution_time_ms: float | None
    tokens_used: int | None
    violation: bool
    """Whether it was refused."""
    violation_reason: Json
    timestamp: str
    seq: int
    kind: str
    call_id: str | None
    slot: str | None
    server: str | None
    error_code: str | None
    client: str | None
    session: str | None
    result: Json
    details: JsonObject
    row_hash: str
    erased: bool
    """Whether what it held was removed."""


class AuditRows(BaseModel):
    """A page of the audit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [ROW], "next_cursor": "WyJiZWZvcmUiLDQxXQ", "previous_cursor": "WyJhZnRlciIsNDFd"}
            ]
        }
    )

    items: list[AuditEntry]
    """The newest first."""
    next_cursor: str | None
    """Asks for the rows before these; null if there are none."""
    previous_cursor: str | None
    """Asks for the rows after these: those of the page before, or what has come since the first."""


class Verified(BaseModel):
    """Outcome of checking the chain."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"whole": True, "rows": 41, "erased": 0, "head": ROW["row_hash"], "problems": []}]
        }
    )

    whole: bool
    rows: int
    erased: int
    head: str | None
    """Hash of the last row; keep it elsewhere to detect a cut-off tail."""
    problems: list[str]


class EraseRows(Taken):
    """Rows whose content is to be removed; the chain still verifies."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"audit_ids": [ROW["audit_id"]]}]}
    )

    audit_ids: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=10_000)]


class Erased(BaseModel):
    """How many of the rows had something to remove."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"erased": 1}]})

    erased: int


class Pruned(BaseModel):
    """How many rows were too old and had something to remove."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"erased": 1200}]})

    erased: int
