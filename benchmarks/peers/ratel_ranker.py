"""ratel-ai: its BM25, the default; with the argument `hybrid` its mix with the endpoint's embeddings."""

import sys

from exchange import MODEL, Request, Search, answer
from ratel_ai import Tool, ToolRegistry


async def prepare(request: Request) -> Search:
    tools = [
        Tool(
            id=tool["name"],
            name=tool["name"],
            description=tool["description"],
            input_schema=tool["inputSchema"],
        )
        for tool in request.tools
    ]
    if sys.argv[1:] != ["hybrid"]:
        registry = ToolRegistry()
        await registry.register(tools)
        return lambda query: [hit.tool_id for hit in registry.search(query, request.k)]
    assert request.embeddings
    hybrid = ToolRegistry({"url": f"{request.embeddings}/embeddings", "model": MODEL}, method="hybrid")
    await hybrid.register(tools)

    async def search(query: str) -> list[str]:
        return [hit.tool_id for hit in await hybrid.search_async(query, request.k, method="hybrid")]

    return search


answer(prepare)
