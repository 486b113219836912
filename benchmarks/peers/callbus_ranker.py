"""callbus as `callbus search` sets it up, with the endpoint's embeddings in place of its 8B model.

Further arguments are options of `callbus search`. Its instruction before each request is left out: it was
written for its own model, and a model that was not trained with instructions only reads noise in it.
"""

import json
import sys
import tempfile
from pathlib import Path

from callbus.build import build_retriever
from callbus.cli import build_parser
from callbus.ingest.mcp import tool_from_mcp
from exchange import MODEL, Request, Search, answer


def prepare(request: Request) -> Search:
    assert request.embeddings
    folder = Path(tempfile.mkdtemp(prefix="toolhone-bench-callbus-"))
    names: dict[str, str] = {}
    with (folder / "tools.jsonl").open("w", encoding="utf-8") as file:
        for record in request.tools:
            tool = tool_from_mcp(record.get("server") or "local", record)
            names[tool.id] = record["name"]
            row = {
                "id": tool.id,
                "doc": tool.doc,
                "documentation": tool.documentation,
                "category": tool.category,
            }
            file.write(json.dumps(row) + "\n")
    options = build_parser().parse_args(
        [
            *("search", "--data", str(folder), "--index-dir", str(folder / "index"), "--cache-dir", ""),
            *("--emb-url", request.embeddings, "--emb-model", MODEL, "--clm-ckpt", "none"),
            *("--query-format", "plain", *sys.argv[1:], "request"),
        ]
    )
    retriever = build_retriever(options)
    return lambda query: [names[hit.id] for hit in retriever.search(query, k=request.k).hits]


answer(prepare)
