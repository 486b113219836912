"""What the engine's file holds: how far jobs are, as JSON, and nothing of what is over."""

import base64
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest

from toolhone.jobs import engine
from toolhone.jobs.engine import STATE, open_engine
from toolhone.models import JsonObject
from toolhone.records.datasets import Row
from toolhone.records.jobs import JobStatus, ModelRecord
from toolhone.training.lineage import HeldOut

if TYPE_CHECKING:
    from jobs.scripts.paper import Shop

Open: TypeAlias = "Callable[..., Shop]"

WORK = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")
"""The tables that tell of jobs."""


def values(folder: Path) -> list[object]:
    """Everything that stands in the engine's file about jobs."""
    with closing(sqlite3.connect(folder / STATE)) as connection:
        return [
            value
            for table in WORK
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
            for value in row
            if value is not None
        ]


def is_pickle(value: object) -> bool:
    """Whether it is one, or the text of one: from the second version on they begin with this byte."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except ValueError:
            return False
    return isinstance(value, bytes) and value.startswith(b"\x80")


async def go(name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
    if name == "fails":
        raise ZeroDivisionError("division by zero")
    return {"did": [name, 1.5, None]}


async def test_it_knows_how_far_a_job_is_and_nothing_that_it_learns_from(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(durable=True)
    said = ({"role": "user", "content": "who is Hedwig"}, {"role": "assistant", "content": "an owl"})
    rows: list[Row] = [replace(paper.ROW, messages=said)]

    def held_out(_id: str, _base: str) -> HeldOut:
        return HeldOut(rows=rows)

    monkeypatch.setattr(shop.steps, "_test_rows", held_out)
    found: list[object] = []

    def keep(model: ModelRecord) -> None:
        # In the last step, so what all others returned stands there.
        found.extend(values(shop.folder))
        shop.keep(model)

    monkeypatch.setattr(shop.steps, "_keep_model", keep)
    job_id = await shop.approved()
    with anyio.fail_after(30):
        await shop.runner.run(until_idle=True)

    assert (await shop.board.job(job_id)).status is JobStatus.SUCCEEDED
    texts = [value for value in found if isinstance(value, str)]
    assert {"check", "reserve", "submit", "follow", "collect", "evaluate"} <= set(texts)
    assert json.dumps({"provider_job_id": f"ft-{job_id}.1"}, separators=(",", ":")) in texts
    assert not any("Hedwig" in text or "an owl" in text for text in texts)
    assert not any(map(is_pickle, found))
    assert b"Hedwig" not in b"".join(path.read_bytes() for path in shop.folder.glob(f"{STATE}*"))
    assert values(shop.folder) == [], "the job is over"


async def test_what_it_keeps_is_json_even_of_a_step_that_failed(tmp_path: Path) -> None:
    async with open_engine(tmp_path, ["works", "fails"], go) as running:
        with anyio.fail_after(60):
            assert await running.run("job.1.1")
            assert not await running.run("job.1.1"), "it is over"
        found = values(tmp_path)

    texts = [value for value in found if isinstance(value, str)]
    assert '{"did":["works",1.5,null]}' in texts
    assert any(text.startswith("{") and "division by zero" in text for text in texts)
    assert set(texts) >= {"portable_json", "ERROR"}
    assert not any(map(is_pickle, found))
    assert is_pickle("gASVBQAAAAAAAACMAWGULg=="), "one would have been seen"


async def test_what_a_dead_process_left_of_jobs_that_are_over_goes_when_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: object) -> None:
        """As if it were killed before it could."""

    monkeypatch.setattr(engine._DbosEngine, "_forget", die)
    with anyio.fail_after(60):
        async with open_engine(tmp_path, ["works"], go) as running:
            assert await running.run("job.1.1")
        assert "job.1.1" in values(tmp_path)

        async with open_engine(tmp_path, ["works"], go) as running:
            assert values(tmp_path) == []
            assert await running.run("job.1.1"), "it would be begun anew"
