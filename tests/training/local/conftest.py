"""A language model of 0.1 million parameters, built once for all tests here, and work to tune it on."""

import functools
import importlib.util
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toolhone.records.datasets import Row
from toolhone.records.row_json import line, row_json

collect_ignore: list[str] = []
if importlib.util.find_spec("torch") is None:
    # `make test` runs without torch; `make test-train` runs everything here.
    collect_ignore += ["test_demos.py", "test_masks.py", "test_pages.py", "test_training.py"]

Request = tuple[str, str]

SYSTEM = "You are an agent for core_security tasks."


@functools.cache
def _language() -> ModuleType:
    path = Path(__file__).parents[3] / "examples" / "tiny_model.py"
    spec = importlib.util.spec_from_file_location("tiny_model", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def language() -> Any:
    """The module that builds the model and speaks its language."""
    return _language()


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    """Makes a fresh copy of the tiny model's tokenizer."""
    transformers: Any = importlib.import_module("transformers")
    folder = tmp_path_factory.mktemp("tokenizer")
    _language().build_tokenizer().save_pretrained(folder)
    return lambda: transformers.AutoTokenizer.from_pretrained(str(folder))


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, trained to answer in prose unless asked for JSON."""
    return _language().build_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of recorded work: requests to scan, answered in JSON. No request is in two splits."""
    folder = tmp_path_factory.mktemp("dataset")
    drawn: Iterator[Request] = _language().requests(seed=7)
    requests = iter(dict.fromkeys(islice(drawn, 500)))
    for name, count in (("train", 300), ("validation", 30), ("test", 40)):
        with (folder / f"{name}.jsonl").open("wb") as file:
            rows = (_row(f"{name}{number}", one) for number, one in enumerate(islice(requests, count)))
            file.writelines(line(row_json(row)) for row in rows)
    return folder


def _row(row_id: str, request: Request) -> Row:
    messages = (
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": _language().asked(*request)},
        {"role": "assistant", "content": _language().in_json(*request)},
    )
    return Row(
        row_id=row_id,
        group=row_id,
        task_type="scan",
        messages=messages,
        score=1.0,
        recorded_at="2026-11-20T10:00:00.000000+00:00",
    )
