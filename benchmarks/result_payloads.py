"""Recorded results: what the lossless encoder makes of them, and what a call of each costs through toolhone.

A file holds a JSON value, which is one payload, or a list of recorded calls {"tool", "args", "result"}, each
of which is one: its structured content or else its text, parsed if that is JSON. Other text is only called.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import cast

from mcp import Client
from recorded_tools import serving
from same_definitions import same
from session_traffic import Paid, Session

from toolhone.app import open_app
from toolhone.compression.tables import decode_result, encode_result
from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.server.mcp import build_server
from toolhone.settings import Settings
from toolhone.tokens import count_tokens

LOW_LIMIT = 1_024
"""Bytes from which on these calls give a preview: the smallest setting, so that most payloads have one."""


@dataclass(frozen=True, slots=True)
class Payload:
    name: str
    result: JsonObject
    """As the tool answers, in MCP's form."""
    value: Json
    """What it says: JSON, or a text."""

    @property
    def is_json(self) -> bool:
        return not isinstance(self.value, str)

    @property
    def json_tokens(self) -> int:
        """What a model reads without an encoder: minified JSON, or the text."""
        return count_tokens(minified(self.value) if self.is_json else self.value)


def read_payloads(folder: Path, rows: int | None) -> list[Payload]:
    """The payloads of a folder; of a file that is a list of rows, perhaps only the first."""
    payloads: list[Payload] = []
    for file in sorted(folder.glob("*.json")):
        recorded: Json = json.loads(file.read_text(encoding="utf-8"))
        if _are_calls(recorded):
            for number, call in enumerate(cast("list[JsonObject]", recorded)):
                payloads.append(_of_call(f"{file.stem}_{number}_{call['tool']}", call["result"]))
        else:
            if isinstance(recorded, list):
                recorded = cast("list[Json]", recorded)[:rows]
            text = minified(recorded)
            payloads.append(Payload(file.stem, {"content": [{"type": "text", "text": text}]}, recorded))
    return payloads


def _are_calls(recorded: Json) -> bool:
    return isinstance(recorded, list) and all(
        isinstance(item, dict) and {"tool", "result"} <= cast("JsonObject", item).keys()
        for item in cast("list[Json]", recorded)
    )


def _of_call(name: str, result: JsonObject) -> Payload:
    if "structuredContent" in result:
        return Payload(name, result, result["structuredContent"])
    text = "\n".join(block["text"] for block in result["content"] if block.get("type") == "text")
    try:
        value: Json = json.loads(text)
    except ValueError:
        value = text
    # A text that happens to be a number or a quoted string is no JSON payload.
    return Payload(name, result, value if isinstance(value, dict | list) else text)


def encoded(payloads: Sequence[Payload]) -> list[JsonObject]:
    """Each JSON payload as minified JSON and as the encoder says it; decoded again and compared."""
    rows: list[JsonObject] = []
    for payload in payloads:
        if payload.is_json:
            said = encode_result(payload.value, count_tokens)
            rows.append(
                {
                    "payload": payload.name,
                    "json": payload.json_tokens,
                    "encoded": count_tokens(said.text),
                    "form": str(said.form),
                    "same": same(payload.value, decode_result(said.text)),
                }
            )
    return rows


async def called(payloads: Sequence[Payload], limit: int = LOW_LIMIT) -> list[JsonObject]:
    """Each payload as the answer of a real call: what the agent reads; `limit` is the setting, in bytes."""
    schema: JsonObject = {"type": "object"}
    tools: list[JsonObject] = [{"name": payload.name, "inputSchema": schema} for payload in payloads]
    answers = {one.name: one.result for one in payloads}
    rows: list[JsonObject] = []
    with TemporaryDirectory(prefix="toolhone-bench-") as text:
        folder = Path(text)
        (folder / "registry").mkdir()
        config = folder / "mcp.json"
        config.write_text(
            json.dumps({"mcpServers": {"recorded": serving(folder / "recorded.json", tools, answers)}})
        )
        settings = Settings(
            config=config, registry=folder / "registry", data=folder / "data", result_limit=limit
        )
        async with open_app(settings, os.environ) as app:
            server, handlers = build_server(app)
            gateway = await app.gateway()
            await app.refresh()
            async with Client(server, cache=None) as client:
                for tool in gateway.catalog.tools():
                    session = Session(client, Paid(wanted=1))
                    answer = await session.call(
                        "call_tools", {"calls": [{"tool": tool.name, "arguments": {}}]}
                    )
                    rows.append(
                        {
                            "payload": tool.original_name,
                            "tokens": count_tokens(answer.text),
                            "handle": "handle" in answer.structured["results"][0],
                        }
                    )
            handlers.listen.close()
    whole = {one.name: one.json_tokens for one in payloads}
    return [{**row, "json": whole[row["payload"]]} for row in rows]


def result_figures(payloads: Sequence[Payload], calls: Sequence[JsonObject]) -> JsonObject:
    rows = encoded(payloads)
    behind = [row["tokens"] for row in calls if row["handle"]]
    return {
        "payloads": rows,
        "calls": list(calls),
        "ratio": sum(row["json"] for row in rows) / max(1, sum(row["encoded"] for row in rows)),
        "worst": min(row["json"] / row["encoded"] for row in rows),
        "with_handle": len(behind),
        "mean_with_handle": fmean(behind) if behind else None,
    }
