"""Comparisons of models that were made, kept beside the answers they rest on.

Each is one file, `comparisons/DATASET/reports/COMPARISON.json`. It quotes rows of its dataset, so it lies
where those go when the dataset is revoked (`copies.py`).
"""

import logging
import re
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from toolhone.exceptions import NotFoundError, StorageError
from toolhone.training.model_comparison import ModelComparison
from toolhone.whole_files import whole_file

logger = logging.getLogger(__name__)

_NAME = re.compile(r"compare_[0-9]{8}_[0-9]{6}_[0-9a-f]{8}")
"""What an id looks like; nothing else is looked for on the disk."""

MOST = 1_000
"""More are not listed; they stay."""


class KeptComparisons:
    """The comparisons of a data folder. All methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, comparison: ModelComparison) -> None:
        """Write it, whole or not at all.

        Raises:
            StorageError: It cannot be written.
        """
        assert comparison.comparison_id is not None
        folder = self._folder / (comparison.dataset_id or "rows") / "reports"
        path = folder / f"{comparison.comparison_id}.json"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(_adapter().dump_json(comparison))
        except OSError as exc:
            raise StorageError(
                f"The comparison cannot be kept as {str(path)!r}: {exc.strerror or exc}. "
                "Check that the disk has room and that this user may write there."
            ) from exc

    def all(self) -> list[ModelComparison]:
        """Those that are kept, the newest first. One that cannot be read is left out with a warning."""
        paths = sorted(
            self._folder.glob("*/reports/compare_*.json"), key=lambda path: path.name, reverse=True
        )
        found: list[ModelComparison] = []
        for path in paths[:MOST]:
            try:
                found.append(_adapter().validate_json(path.read_bytes()))
            except FileNotFoundError:
                continue  # its dataset was revoked this moment
            except (OSError, ValueError) as exc:
                logger.warning("The comparison %s cannot be read: %s", path, type(exc).__name__)
        return found

    def find(self, comparison_id: str) -> ModelComparison:
        """One of them.

        Raises:
            NotFoundError: There is none of this id; perhaps there is none any more.
            StorageError: It cannot be read.
        """
        known = _NAME.fullmatch(comparison_id)
        path = next(iter(self._folder.glob(f"*/reports/{comparison_id}.json")), None) if known else None
        if path is None:
            raise NotFoundError(
                f"There is no comparison {comparison_id!r}. If there was, its dataset has been revoked."
            )
        try:
            return _adapter().validate_json(path.read_bytes())
        except FileNotFoundError as exc:
            raise NotFoundError(f"The dataset of the comparison {comparison_id!r} was revoked.") from exc
        except (OSError, ValueError) as exc:
            raise StorageError(f"The comparison {str(path)!r} cannot be read: it is damaged.") from exc


@cache
def _adapter() -> TypeAdapter[ModelComparison]:
    # Made when it is first needed: it looks at every type that a comparison is made of.
    return TypeAdapter(ModelComparison)
