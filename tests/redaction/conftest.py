"""The labelled set, for the tests that need values as people write them."""

import json
from pathlib import Path

import pytest

from toolhone.models import Json

CASES = Path(__file__).parents[1] / "redaction_cases" / "cases.jsonl"
CUT = "\u00a6"


@pytest.fixture(scope="session")
def labelled_values() -> list[Json]:
    """The value of every case."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [json.loads(json.loads(line.replace(CUT, ""))["value"]) for line in lines]
