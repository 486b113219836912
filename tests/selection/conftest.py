"""Tools and embedders for the selection tests."""

import hashlib
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from toolhone.models import Category, ToolDefinition
from toolhone.selection.embedder import Embedder, load_minilm

MakeTool = Callable[..., ToolDefinition]


class CountingEmbedder:
    """Vectors made of letter triples: quick, deterministic, alike for texts that share spelling.

    While `gate` is cleared the tools' texts wait; `pause_after` so many it is cleared. Tasks, which tests
    begin with "?", never wait.
    """

    name = "triples"
    dimensions = 64

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.pause_after: int | None = None
        self.paused = threading.Event()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts[0].startswith("?"):
            if self.pause_after is not None and len(self.embedded) >= self.pause_after:
                self.paused.set()
                self.gate.clear()
            assert self.gate.wait(10)
            self.embedded += texts
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for start in range(len(text)):
                triple = text[start : start + 3].lower().encode("utf-8", "replace")
                vectors[row, hashlib.sha256(triple).digest()[0] % self.dimensions] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(norms, 1e-9)

    def reads_whole(self, text: str) -> bool:
        return len(text) <= 1000


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    """The real model, loaded once."""
    return load_minilm()


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
