"""The sets that the shipped encoder is trained on and judged by. None of their tools is in both parts.

Labelled queries come from MetaTool (MIT), Seal-Tools and BFCL (Apache-2.0), given as a folder in the form of
`benchmarks/selection.py`. Requests over the tools of real, permissively licensed MCP servers, over tools of
Seal-Tools and BFCL, and over an invented registry of web APIs were written by a language model; they are in
`requests/`.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolhone.models import Json, ToolDefinition

REQUESTS = Path(__file__).parent / "requests"

QUERIES_A_TOOL = 14
"""MetaTool has hundreds of queries for some tools; more than this teach the tool, not the task."""

NOT_PERMISSIVE = frozenset({"npm-mapbox_mcp-server", "npm-sentry_mcp-server"})
"""Listings whose texts may be measured but not trained on, not even as wrong answers."""

HELD_OUT = 4
"""One in this many tools, and of web APIs and whole servers likewise, is never trained on."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, the tools that are right for it, and those that would do as well."""

    query: str
    gold: Sequence[str]
    also: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Tools and the requests of one part, `train` or `unseen`."""

    name: str
    tools: tuple[ToolDefinition, ...]
    requests: tuple[Request, ...]


def held_out(name: str) -> bool:
    """Whether a tool or server of this name is kept for judging."""
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT == 0


def read_tools(path: Path) -> tuple[ToolDefinition, ...]:
    return tuple(_definition(row, row.get("server"), row["name"]) for row in _lines(path))


def server_tools(folder: Path) -> tuple[ToolDefinition, ...]:
    """The tools of recorded `tools/list` answers, named FILE/TOOL."""
    tools: list[ToolDefinition] = []
    for path in sorted(folder.glob("*.json")):
        listing = json.loads(path.read_text())
        server = path.stem.rpartition("_")[2]
        tools += [
            _definition(tool, server, f"{path.stem}/{tool['name']}", original=tool["name"])
            for tool in listing["tools"]
        ]
    return tuple(tools)


def labelled(data: Path, servers: Path) -> list[tuple[LabelledSet, LabelledSet]]:
    """Every set as (train, unseen): no right tool of an unseen request is in a training catalog.

    Of a training request the tools that are held out are left away.
    """
    sets: list[tuple[LabelledSet, LabelledSet]] = []
    for name in ("metatool", "seal-tools", "bfcl"):
        tools = read_tools(data / name / "tools.jsonl")
        requests = _requests(data / name / "queries-train.jsonl")
        if (REQUESTS / f"{name}.jsonl").exists():
            requests += _requests(REQUESTS / f"{name}.jsonl")
        sets.append(_divided(name, tools, _capped(requests), held_out))
    apis = read_tools(REQUESTS / "apis.tools.jsonl")
    sets.append(
        _divided("apis", apis, _requests(REQUESTS / "apis.jsonl"), lambda name: held_out(name.split("/")[0]))
    )
    real = server_tools(servers)
    train = _requests(REQUESTS / "servers.jsonl")
    unseen = _requests(REQUESTS / "held-servers.jsonl")
    kept = {name.split("/")[0] for request in unseen for name in request.gold} | NOT_PERMISSIVE
    known = tuple(tool for tool in real if tool.name.split("/")[0] not in kept)
    sets.append((LabelledSet("servers", known, tuple(train)), LabelledSet("servers", real, tuple(unseen))))
    return sets


def _divided(
    name: str, tools: tuple[ToolDefinition, ...], requests: Iterable[Request], kept: Callable[[str], bool]
) -> tuple[LabelledSet, LabelledSet]:
    requests = list(requests)
    train = [
        Request(request.query, known_gold, request.also)
        for request in requests
        if (known_gold := tuple(tool for tool in request.gold if not kept(tool)))
    ]
    unseen = [request for request in requests if all(kept(tool) for tool in request.gold)]
    known = tuple(tool for tool in tools if not kept(tool.name))
    return LabelledSet(name, known, tuple(train)), LabelledSet(name, tools, tuple(unseen))


def _capped(requests: Sequence[Request]) -> list[Request]:
    counts: dict[str, int] = {}
    kept: list[Request] = []
    for request in random.Random(0).sample(requests, len(requests)):
        if len(request.gold) > 1 or counts.get(request.gold[0], 0) < QUERIES_A_TOOL:
            kept.append(request)
            counts[request.gold[0]] = counts.get(request.gold[0], 0) + 1
    return kept


def _requests(path: Path) -> list[Request]:
    return [Request(row["query"], tuple(row["gold"]), tuple(row.get("also", ()))) for row in _lines(path)]


def _definition(row: Json, server: str | None, name: str, *, original: str = "") -> ToolDefinition:
    return ToolDefinition(
        name=name,
        description=row.get("description") or "",
        input_schema=row["inputSchema"],
        server=server,
        original_name=original or (name.partition("/")[2] if server and "/" in name else name),
    )


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
