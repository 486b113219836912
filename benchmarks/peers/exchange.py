"""How a ranker is asked and answers, the same for all of them and for `toolhone rank`.

stdin holds one JSON object {"tools": PATH, "queries": PATH, "k": 10, "embeddings": URL?}; the last is an
OpenAI-compatible endpoint, for rankers that need one. stdout gets a line {"id", "ranked": [names], "ms"} a
query, in the order of the queries; `ms` is what the search took.
"""

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

MODEL = "encoder"
"""What the endpoint calls what it serves."""


@dataclass(frozen=True)
class Request:
    tools: list[dict[str, Any]]
    queries: list[dict[str, Any]]
    k: int
    embeddings: str | None


Search = Callable[[str], list[str] | Awaitable[list[str]]]


def answer(prepare: Callable[[Request], Search | Awaitable[Search]]) -> None:
    """Read the request, let the ranker index the tools, and answer every query."""
    # What a library prints must not come between the answers.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asked = json.load(sys.stdin)
    request = Request(_lines(asked["tools"]), _lines(asked["queries"]), asked["k"], asked.get("embeddings"))

    async def main() -> None:
        search = prepare(request)
        if inspect.isawaitable(search):
            search = await search
        for query in request.queries:
            began = perf_counter()
            ranked = search(query["query"])
            if inspect.isawaitable(ranked):
                ranked = await ranked
            took = (perf_counter() - began) * 1000
            print(json.dumps({"id": query["id"], "ranked": ranked, "ms": took}), file=out, flush=True)

    asyncio.run(main())


def _lines(path: str) -> list[dict[str, Any]]:
    with Path(path).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
