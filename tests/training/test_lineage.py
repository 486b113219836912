"""A base model that was tuned here must not be judged by rows that it has learned."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from toolhone.models import Category
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.storage.memory_models import MemoryModelStore
from toolhone.training.lineage import HeldOutRows, learned_from

AT = "2026-01-31T12:00:00.000000+00:00"


def row(number: int, row_id: str | None = None) -> Row:
    return Row(
        row_id=row_id or f"row-{number}",
        group="any",
        task_type="any",
        messages=({"role": "user", "content": f"ask {number}"}, {"role": "assistant", "content": "yes"}),
        score=1.0,
        recorded_at=AT,
    )


def model(model_id: str, base: str, dataset: str, path: str | None = None) -> ModelRecord:
    return ModelRecord(
        model_id=model_id,
        category=Category.GENERAL,
        provider=FinetuningProvider.OPENAI,
        base_model=base,
        created_at=AT,
        job_id="job",
        dataset_id=dataset,
        artifact_hash="sha256:0",
        path=path,
        passed=True,
        verdict={},
    )


class Datasets:
    """Two earlier datasets, and a new one with the rows 0 to 5 held out."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    def manifest(self, dataset_id: str) -> Manifest:
        manifest = Manifest(
            dataset_id=dataset_id,
            category=Category.GENERAL,
            version=1,
            created_at=AT,
            content_hash="sha256:0",
            request={},
            counts={},
            files={},
            dropped={},
        )
        return replace(manifest, revoked_at=AT) if dataset_id in self.revoked else manifest

    def rows(self, dataset_id: str, split: Split) -> Iterator[Row]:
        held: dict[tuple[str, str], list[Row]] = {
            ("new", "test"): [row(number) for number in range(6)],
            ("one", "train"): [row(0), row(1, "recorded again")],
            ("one", "test"): [row(2)],
            ("two", "validation"): [row(3)],
        }
        return iter(held.get((dataset_id, split.value), []))


def held_out(base_model: str, datasets: Datasets) -> tuple[list[str], str | None]:
    store = MemoryModelStore()
    store.add(model("ft:one", "gpt", "one"))
    store.add(model("ft:two", "ft:one", "two"))
    found = HeldOutRows(lambda: datasets, lambda: store)("new", base_model)  # pyright: ignore[reportArgumentType, reportReturnType]
    return [one.row_id for one in found.rows], found.warning


def test_a_base_model_from_elsewhere_is_judged_by_all_rows() -> None:
    assert held_out("gpt", Datasets()) == ([f"row-{number}" for number in range(6)], None)
    assert held_out("", Datasets())[1] is None


def test_rows_that_the_base_was_trained_on_are_left_out_and_said() -> None:
    rows, warning = held_out("ft:one", Datasets())

    assert rows == ["row-2", "row-3", "row-4", "row-5"]
    assert warning == (
        "'ft:one' was trained here on 2 of the 6 held-out rows (one). They are left out, so 4 judge."
    )


def test_what_the_base_of_the_base_was_trained_on_counts_too() -> None:
    rows, warning = held_out("ft:two", Datasets())

    assert rows == ["row-2", "row-4", "row-5"]
    assert warning is not None and "3 of the 6 held-out rows (two, one)" in warning


def test_what_cannot_be_looked_up_any_more_is_said() -> None:
    datasets = Datasets()
    datasets.revoked.add("one")

    rows, warning = held_out("ft:one", datasets)

    assert len(rows) == 6
    assert warning is not None and "one, which was revoked" in warning


def test_a_local_model_is_known_by_its_folder_and_a_circle_ends(tmp_path: Path) -> None:
    models = [model("a", "b", "one", str(tmp_path / "a")), model("b", "a", "two")]

    assert learned_from(str(tmp_path / "x" / ".." / "a"), models) == ["one", "two"]
