"""Invented tool listings, and the generator of random ones."""

import importlib.util
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from toolhone.models import JsonObject

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def generated() -> Callable[[int, int], list[JsonObject]]:
    """`generated(seed, count)`: so many random tools with odd schemas."""
    module = _load("generated_schemas")

    def make(seed: int, count: int) -> list[JsonObject]:
        tools: list[JsonObject] = module.tools(random.Random(seed), count)
        return tools

    return make


@pytest.fixture
def library() -> list[JsonObject]:
    """A server of an invented lending library."""
    branch: JsonObject = {
        "type": "string",
        "enum": ["harbour", "old town", "north"],
        "description": "The branch of the library. Every branch has its own shelves and hours.",
    }
    card: JsonObject = {
        "type": "string",
        "pattern": "^[A-Z]{2}\\d{6}$",
        "description": "The number on the reader's card, two letters and six digits.",
    }
    return [
        {
            "name": "find_books",
            "title": "Find books",
            "description": "Find books by words of their title or author. Loaned books are found too.\n\n"
            "The answer is sorted by how well it fits.",
            "inputSchema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {
                    "words": {"type": "string", "minLength": 2, "description": "What to look for."},
                    "branch": branch,
                    "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
                    "filters": {
                        "type": "object",
                        "properties": {
                            "language": {"type": "string", "description": "ISO 639 code"},
                            "years": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
                            "medium": {"type": "string", "enum": ["print", "audio", "large-print"]},
                        },
                        "required": ["medium"],
                        "additionalProperties": False,
                    },
                },
                "required": ["words"],
                "additionalProperties": False,
            },
            "outputSchema": {
                "type": "object",
                "properties": {"books": {"type": "array", "items": {"type": "object"}}},
                "required": ["books"],
            },
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        },
        {
            "name": "lend_book",
            "description": "Lend a book to a reader.\n\nThe answer is sorted by how well it fits.",
            "inputSchema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {
                    "card": card,
                    "branch": branch,
                    "until": {"type": "string", "format": "date"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                },
                "required": ["card", "branch"],
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": False, "destructiveHint": False},
        },
        {
            "name": "block_card",
            "description": "Block a lost card.",
            "inputSchema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"card": card, "branch": branch, "reason": {"$ref": "#/$defs/Reason"}},
                "required": ["card"],
                "additionalProperties": False,
                "$defs": {"Reason": {"type": "string", "enum": ["lost", "stolen"]}},
            },
        },
    ]
