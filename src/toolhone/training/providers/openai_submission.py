"""What was sent for one training, kept on disk around each step, so that a restart repeats nothing."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from toolhone.exceptions import DamagedStorageError, StorageError
from toolhone.models import JsonObject
from toolhone.whole_files import whole_file


class Submission(BaseModel):
    """Where the sending of one training is."""

    model_config = ConfigDict(extra="forbid")

    key: str
    base_url: str
    uploading: list[str] = []
    """Splits whose upload was begun."""
    files: dict[str, str] = {}
    """The service's file ids, by split."""
    asked_at: float | None = None
    """When a job was asked for the last time, if its answer was not a refusal: from then on it may exist."""
    job_id: str | None = None
    price: JsonObject | None = None
    """At which it was planned: a bill is reckoned with this, whatever the table says later."""


def submission_path(workspace: Path, key: str) -> Path:
    # One file for each key: a second attempt in the same workspace is other, newly paid work.
    return workspace / f"openai-{_short(key)}.json"


def file_name(key: str, split: str) -> str:
    """The name of an uploaded file: nothing else has it, so an upload whose answer was lost is found."""
    return f"toolhone-{_short(key)}-{split}.jsonl"


def read_submission(workspace: Path, key: str, base_url: str) -> Submission:
    """What was kept; a new one if nothing was.

    Raises:
        DamagedStorageError: It is not what was written.
        StorageError: It cannot be read.
    """
    path = submission_path(workspace, key)
    try:
        return Submission.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Submission(key=key, base_url=base_url)
    except ValidationError as error:
        raise DamagedStorageError(
            f"{str(path)!r} is damaged, so it is not known what was sent for this job. Look at the "
            f"service for a job with the metadata toolhone_key={key!r} before the job is tried again."
        ) from error
    except OSError as error:
        raise StorageError(f"Cannot read {str(path)!r}: {error}.") from error


def write_submission(workspace: Path, submission: Submission) -> None:
    """Keep it; whole or not at all, and on the disk when this returns.

    Raises:
        StorageError: No room on the disk, say.
    """
    path = submission_path(workspace, submission.key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path) as file:
            file.write(submission.model_dump_json().encode())
    except OSError as error:
        raise StorageError(f"Cannot write {str(path)!r}: {error}.") from error


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
