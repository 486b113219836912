"""Recorded tool listings as the compression benchmark reads them, and what they cost as JSON."""

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from figures import ROOT

from toolhone.json_values import minified
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens

RECORDED = ROOT / "benchmarks" / "servers" / "recorded.py"

COMMON_WORDS = {"npm", "pypi", "mcp", "server", "modelcontextprotocol", "awslabs"}
"""Of the names of files: registries and scopes, and what every server is."""

KEYS = ("name", "description", "inputSchema")
"""What clients pass on to a model, and so what is measured."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of one server."""

    server: str
    tools: list[JsonObject]
    """With the keys above only."""

    @property
    def baseline(self) -> int:
        return sum(baseline(tool) for tool in self.tools)


def baseline(tool: JsonObject) -> int:
    """What every ratio is taken against: the tool as minified JSON, in o200k tokens."""
    return count_tokens(minified(tool))


def read_listing(path: Path) -> Listing:
    tools: list[JsonObject] = json.loads(path.read_text(encoding="utf-8"))["tools"]
    return Listing(server_name(path), [{key: tool[key] for key in KEYS if key in tool} for tool in tools])


def server_name(path: Path) -> str:
    """As a user would name the server in a host's configuration: the file's name without what all have."""
    words = dict.fromkeys(re.split(r"[^a-z0-9]+", path.stem.lower()))
    return "-".join(word for word in words if word not in COMMON_WORDS) or path.stem


def read_listings(folder: Path) -> list[Listing]:
    listings = [read_listing(path) for path in sorted(folder.glob("*.json"))]
    seen = Counter[str]()
    for place, listing in enumerate(listings):
        seen[listing.server] += 1
        if seen[listing.server] > 1:
            listings[place] = replace(listing, server=f"{listing.server}-{seen[listing.server]}")
    return listings


def serving(
    file: Path, tools: Sequence[JsonObject], answers: Mapping[str, JsonObject] | None = None
) -> JsonObject:
    """How to start a server that lists these tools and answers so; it is described in `file`."""
    file.write_text(json.dumps({"tools": list(tools), "answers": dict(answers or {})}), encoding="utf-8")
    return {"command": sys.executable, "args": ["-I", "-S", str(RECORDED), str(file)]}
