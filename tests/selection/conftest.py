"""Tools and encoders for the selection tests."""

import hashlib
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from toolhone.models import Category, ToolDefinition
from toolhone.selection.blocks import Blocks
from toolhone.selection.bundle import BundleEncoder, load_default
from toolhone.selection.calibration import Calibration
from toolhone.selection.encoder import EncodedTask, EncodedText
from toolhone.selection.sentences import sentence_spans

MakeTool = Callable[..., ToolDefinition]
Stored = Callable[[Blocks], dict[str, memoryview]]


class CountingEncoder:
    """Vectors made of letter triples: quick, deterministic, alike for texts that share spelling.

    Its tokens are words. While `gate` is cleared the tools' texts wait; `pause_after` so many it is cleared.
    """

    def __init__(self, *, token_dimensions: int = 16) -> None:
        self.name = "triples"
        self.dimensions = 64
        self.token_dimensions = token_dimensions
        self.calibration: Calibration | None = None
        self.encoded: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.pause_after: int | None = None
        self.unreadable: str | None = None
        """A task at which it fails."""
        self.paused = threading.Event()

    def encode_task(self, task: str) -> EncodedTask:
        if task == self.unreadable:
            raise RuntimeError("bad input")
        spans = sentence_spans(task)
        parts = [task, *(task[start:end] for start, end in spans)] if len(spans) > 1 else [task]
        words = task.split() if self.token_dimensions else []
        inside = [[float(word in part.split()) for word in words] for part in parts]
        weights = np.array(inside, np.float32).reshape(len(parts), len(words))
        return EncodedTask(
            parts=np.array([_triples(part, self.dimensions) for part in parts]),
            tokens=self._tokens(words),
            weights=weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9),
            complete=len(task) <= 1000,
        )

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        if self.pause_after is not None and len(self.encoded) >= self.pause_after:
            self.paused.set()
            self.gate.clear()
        assert self.gate.wait(10)
        self.encoded += texts
        return [
            EncodedText(
                _triples(text, self.dimensions),
                np.rint(127 * self._tokens(text.split()[:48])).astype(np.int8),
            )
            for text in texts
        ]

    def _tokens(self, words: Sequence[str]) -> NDArray[np.float32]:
        if not self.token_dimensions:
            return np.zeros((0, 0), np.float32)
        rows = [_triples(word, self.token_dimensions) for word in words]
        return np.array(rows, np.float32).reshape(len(rows), self.token_dimensions)


def _triples(text: str, dimensions: int) -> NDArray[np.float32]:
    vector = np.zeros(dimensions, np.float32)
    for start in range(len(text)):
        triple = text[start : start + 3].lower().encode("utf-8", "replace")
        vector[hashlib.sha256(triple).digest()[0] % dimensions] += 1
    return vector / np.maximum(np.linalg.norm(vector), np.float32(1e-9))


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture(scope="session")
def new_encoder() -> type[CountingEncoder]:
    """For tests that need several, or a new one for each example."""
    return CountingEncoder


@pytest.fixture(scope="session")
def shipped() -> BundleEncoder:
    """The encoder that comes with toolhone, loaded once."""
    return load_default()


@pytest.fixture(scope="session")
def stored() -> Stored:
    """Blocks as they come back from a file."""

    def read(blocks: Blocks) -> dict[str, memoryview]:
        return {name: memoryview(b"".join(pieces)) for name, pieces in blocks.items()}

    return read


@pytest.fixture(scope="session")
def make_tool() -> MakeTool:
    def make(
        name: str,
        description: str = "",
        *,
        server: str | None = None,
        original_name: str | None = None,
        category: Category = Category.GENERAL,
        **parameters: str,
    ) -> ToolDefinition:
        properties = {
            parameter: {"type": "string", "description": about} for parameter, about in parameters.items()
        }
        return ToolDefinition(
            name=f"{server}__{name}" if server else name,
            description=description,
            input_schema={"type": "object", "properties": properties},
            server=server,
            original_name=original_name or name,
            category=category,
        )

    return make


@pytest.fixture(scope="session")
def office(make_tool: MakeTool) -> list[ToolDefinition]:
    """A small catalog with the traps: ordinary words, humps, servers that share a name."""
    return [
        make_tool("get_weather", "Current weather and forecast for a place.", city="Name of a city"),
        make_tool("query_database", "Run a read-only SQL query on an SQLite file.", path="", sql=""),
        make_tool("analyze_data", "Summary statistics of a CSV or JSON file.", path="File to read"),
        make_tool("time", "Current time in a zone.", server="clock", zone="IANA time zone"),
        make_tool("search", "Search the web.", server="web", query="What to look for"),
        make_tool("create_issue", "Open an issue in a repository.", server="github", title=""),
        make_tool("create_issue", "Open an issue in a project.", server="gitlab", title=""),
        make_tool("sendmail", "Send an e-mail.", server="post", original_name="sendMail", to=""),
        make_tool("scan_secrets", "Find credentials in files.", category=Category.CORE_SECURITY, root=""),
    ]
