"""Lets a data folder use an encoder that a job made, and go back to the one that it used before jobs."""

import shutil
import tempfile
from pathlib import Path

from toolhone.exceptions import InvalidRequestError
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.selection.active import (
    DEFAULT,
    Choice,
    Reason,
    active_encoder,
    choices,
    encoder_folder,
    use_encoder,
)
from toolhone.selection.bundle import load_bundle

ADOPTED = "selector-"
"""Begins the names of encoders that come from jobs."""


def adopt(data: Path, model: ModelRecord) -> Choice:
    """Let a data folder use the encoder that a job made, from the next start of a server on.

    Its files are copied beside the other encoders and checked; done twice, it is the same.

    Raises:
        InvalidRequestError: The model is none of this provider's.
        ModelUnavailableError: A file is missing or was changed.
    """
    if model.provider is not FinetuningProvider.SELECTOR or model.path is None:
        raise InvalidRequestError(
            f"{model.model_id!r} is no encoder: it comes from the provider {model.provider.value!r}. Choose "
            "a model that a job of the provider 'selector' made."
        )
    folder = encoder_folder(data, model.model_id)
    if not folder.exists():
        load_bundle(Path(model.path), sha256=model.artifact_hash)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adopt-", dir=folder.parent) as scratch:
            copied = shutil.copytree(model.path, Path(scratch) / "encoder")
            copied.rename(folder)
    load_bundle(folder, sha256=model.artifact_hash)
    if active_encoder(data) == (folder, model.artifact_hash):
        return choices(data)[-1]
    reason = Reason.PROMOTED if model.passed else Reason.CHOSEN
    return use_encoder(data, model.model_id, model.artifact_hash, reason)


def release(data: Path) -> Choice | None:
    """Let a data folder use again what it used before the first encoder of a job; `None` if it does.

    Raises:
        ModelUnavailableError: A file of that encoder is missing or was changed.
    """
    history = choices(data)
    if not history or not history[-1].name.startswith(ADOPTED):
        return None
    before = next((choice for choice in reversed(history) if not choice.name.startswith(ADOPTED)), None)
    if before is None or before.sha256 is None:
        return use_encoder(data, DEFAULT, None, Reason.CHOSEN)
    load_bundle(encoder_folder(data, before.name), sha256=before.sha256)
    return use_encoder(data, before.name, before.sha256, Reason.CHOSEN)
