"""Held-out rows that a base model has not learned from already, when it was itself tuned here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolhone.models import Json, content_hash
from toolhone.records.datasets import Row, Split
from toolhone.records.jobs import ModelRecord
from toolhone.records.stores import DatasetStore, ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The rows that a model is judged by."""

    rows: list[Row]
    warning: str | None = None
    """What should be known of them."""


class HeldOutRows:
    """Finds the rows by which a model tuned on a base model is judged. Blocks."""

    def __init__(
        self, open_datasets: Callable[[], DatasetStore], open_models: Callable[[], ModelStore]
    ) -> None:
        self._open_datasets = open_datasets
        self._open_models = open_models

    def __call__(self, dataset_id: str, base_model: str) -> HeldOut:
        """The test rows of a dataset without those that the base model, or its own base, was trained on."""
        datasets = self._open_datasets()
        rows = list(datasets.rows(dataset_id, Split.TEST))
        if not base_model:
            return HeldOut(rows=rows)
        earlier = learned_from(base_model, self._open_models().models())
        seen: set[str] = set()
        gone: list[str] = []
        for one in earlier:
            if datasets.manifest(one).revoked_at is not None:
                gone.append(one)
                continue
            for split in (Split.TRAIN, Split.VALIDATION):
                for row in datasets.rows(one, split):
                    seen |= {row.row_id, _content(row)}
        left = [row for row in rows if not seen & {row.row_id, _content(row)}]
        told: list[str] = []
        if len(left) < len(rows):
            told.append(
                f"{base_model!r} was trained here on {len(rows) - len(left)} of the {len(rows)} held-out "
                f"rows ({', '.join(earlier)}). They are left out, so {len(left)} judge."
            )
        if gone:
            told.append(
                f"{base_model!r} was trained on {', '.join(gone)}, which was revoked: whether held-out rows "
                "were in it cannot be said any more, and those would flatter both models."
            )
        return HeldOut(rows=left, warning=" ".join(told) or None)


def learned_from(base_model: str, models: Sequence[ModelRecord]) -> list[str]:
    """The datasets that a model was trained on here, and its base, and the base of that; none if it was not.

    Args:
        base_model: The id of a model, or its folder.
    """
    found: list[str] = []
    known = {model.model_id: model for model in models}
    known |= {str(Path(model.path).resolve()): model for model in models if model.path is not None}
    while (
        model := known.get(base_model) or known.get(str(Path(base_model).expanduser().resolve()))
    ) is not None:
        if model.dataset_id in found:
            break
        found.append(model.dataset_id)
        base_model = model.base_model
    return found


def _content(row: Row) -> str:
    messages: list[Json] = list(row.messages)
    return content_hash(messages)
