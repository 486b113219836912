"""How text is counted: o200k tokens, offline.

Only the Rust binding of `bpe_openai` is loaded, at the first count: 0.08 s and 66 MB. Importing the package
itself also builds the tables of every vocabulary in Python (1.1 s and 131 MB, measured beside it), and
its tiktoken-like `Encoding` takes ten times as long for a short count, raises on text that looks like a
special token, and refuses a million characters or more. The package is pinned to one version for this.
"""

import importlib.util
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, cast

from toolhone.json_values import minified, well_formed
from toolhone.models import Json, ToolDefinition

if TYPE_CHECKING:
    from bpe_openai._bindings import PyTokenizer

TOKENIZER = "o200k_base"

_lock = threading.Lock()
_tokenizer: "PyTokenizer | None" = None


def is_loaded() -> bool:
    """Whether the vocabulary is in memory."""
    return _tokenizer is not None


def load() -> None:
    """Load the vocabulary now, in this thread, instead of at the first count."""
    _load()


def _load() -> "PyTokenizer":
    global _tokenizer
    with _lock:
        if _tokenizer is None:
            _tokenizer = _new_tokenizer()
        return _tokenizer


def _new_tokenizer() -> "PyTokenizer":
    name = "bpe_openai._bindings"
    bindings = sys.modules.get(name)
    if bindings is None:
        # Finding a package does not run it.
        package = importlib.util.find_spec("bpe_openai")
        spec = PathFinder.find_spec(name, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r}: reinstall toolhone.", name=name)
        bindings = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bindings)
        # An extension may be initialised only once: whoever imports the package finds this one.
        sys.modules[name] = bindings
    return cast("PyTokenizer", bindings.tokenizer_for_encoding(TOKENIZER))


def count_tokens(text: str) -> int:
    """The number of tokens in `text`. Special tokens written out in it count as the text they are."""
    tokenizer = _tokenizer or _load()
    try:
        return tokenizer.count(text)
    except UnicodeEncodeError:
        return tokenizer.count(well_formed(text))


def count_json(value: Json) -> int:
    """The number of tokens of `value` as minified JSON."""
    return count_tokens(minified(value))


def tool_listing(tools: Sequence[ToolDefinition]) -> str:
    """The tools as a client passes them all on to a model: what every saving is compared with."""
    return minified(
        [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in tools
        ]
    )
