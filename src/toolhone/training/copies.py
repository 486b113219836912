"""Copies of a dataset's rows that judging and comparing models leave behind, and their removal.

Questions and answers are kept so that nothing is asked, or paid for, twice. When the dataset is revoked
because somebody is to be forgotten, they have to go with it. What was trained (adapters, figures) stays.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolhone.exceptions import StorageError

ESTIMATES = Path("runs", ".estimates")
"""Where in the data folder estimates are made. What a killed process left there goes with the next one."""


def forget_copies(data: Path, dataset_id: str, job_ids: Iterable[str]) -> None:
    """Delete what the jobs and comparisons of a dataset kept of its rows. To do it again is harmless.

    Args:
        data: The data folder.
        job_ids: The jobs that were trained on the dataset.

    Raises:
        StorageError: Something cannot be deleted.
    """
    for path in (data / "comparisons" / dataset_id, *_of_jobs(data / "runs", job_ids)):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as exc:
            raise StorageError(
                f"{str(path)!r} holds rows of the dataset {dataset_id!r} and cannot be deleted: "
                f"{exc.strerror or exc}. Delete it by hand."
            ) from exc


def _of_jobs(runs: Path, job_ids: Iterable[str]) -> Iterator[Path]:
    for job_id in job_ids:
        yield from (runs / job_id).glob("answers-*")
        # Written to be uploaded, and left there if that failed.
        yield from (runs / job_id).glob("toolhone-*.jsonl")
