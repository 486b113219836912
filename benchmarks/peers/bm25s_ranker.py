"""bm25s, set up as one would for tools: names split at humps, English stop words out, Snowball stems.

Indexed are server, name, description, parameter names and their descriptions.
"""

import re
from typing import Any

import bm25s
import numpy as np
import Stemmer
from exchange import Request, Search, answer


def words(text: str) -> str:
    humps = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return re.sub(r"[\W_]+", " ", humps).lower()


def document(tool: dict[str, Any]) -> str:
    parts = [tool.get("server") or "", tool["name"], tool["description"]]
    for name, parameter in tool["inputSchema"].get("properties", {}).items():
        about = parameter.get("description") if isinstance(parameter, dict) else None
        parts += [name, about if isinstance(about, str) else ""]
    return words(" ".join(parts))


def prepare(request: Request) -> Search:
    stemmer = Stemmer.Stemmer("english")

    def tokens(texts: list[str]) -> Any:
        return bm25s.tokenize(
            texts,
            token_pattern=r"\w+",
            stopwords="en",
            stemmer=stemmer,
            return_ids=False,
            show_progress=False,
        )

    retriever = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    retriever.index(tokens([document(tool) for tool in request.tools]), show_progress=False)

    def search(query: str) -> list[str]:
        (asked,) = tokens([words(query)])
        known = [token for token in asked if token in retriever.vocab_dict]
        if not known:
            return []
        scores = retriever.get_scores(known)
        order = np.argsort(-scores, kind="stable")[: request.k]
        return [request.tools[i]["name"] for i in order if scores[i] > 0]

    return search


answer(prepare)
