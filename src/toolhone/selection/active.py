"""Which encoder a data folder uses: one file names it by its hash, and keeps how it came to that.

An encoder is a folder `encoders/NAME` of the data folder (`bundle.py` loads it). The file is replaced as a
whole, so a server that starts meanwhile reads the old choice or the new one.
"""

import hashlib
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhone.exceptions import InvalidRequestError, ModelUnavailableError
from toolhone.models import Json, JsonObject

FOLDER = "encoders"
STATE = "active.json"
MANIFEST = "encoder.json"

DEFAULT = "default"
"""The name of the encoder that comes with toolhone; it has no folder here."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Reason(StrEnum):
    """Why an encoder is used."""

    PROMOTED = "promoted"
    """It passed the gate."""
    CHOSEN = "chosen"
    """The user said so."""


class Choice(BaseModel):
    """One change of the encoder in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str | None
    """Of its `encoder.json`; `None` for the one that comes with toolhone."""
    reason: Reason
    at: str


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    history: tuple[Choice, ...] = Field(min_length=1)
    """Oldest first; the last one holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEncoder:
    """An encoder in the data folder, as its manifest describes it."""

    name: str
    sha256: str
    base: str
    created: str
    size: int
    active: bool
    verdict: JsonObject | None
    """What the gate said of it, if it was trained here."""

    def as_json(self) -> JsonObject:
        return asdict(self)


def active_encoder(data: Path) -> tuple[Path, str] | None:
    """The folder of the encoder in use and the hash of its manifest; `None` for toolhone's own.

    Raises:
        ModelUnavailableError: The file that names it is damaged.
    """
    history = choices(data)
    if not history or history[-1].sha256 is None:
        return None
    return encoder_folder(data, history[-1].name), history[-1].sha256


def choices(data: Path) -> tuple[Choice, ...]:
    """Every change so far, oldest first.

    Raises:
        ModelUnavailableError: The file is damaged.
    """
    path = data / FOLDER / STATE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as exc:
        raise _damaged(path, str(exc)) from exc
    try:
        history = _State.model_validate_json(text).history
    except ValidationError as exc:
        raise _damaged(path, f"{exc.error_count()} errors, first: {exc.errors()[0]['msg']}") from exc
    if not all(NAME.fullmatch(choice.name) for choice in history):
        raise _damaged(path, "a name in it is not one of ours")
    return history


def encoder_folder(data: Path, name: str) -> Path:
    """Where the encoder of this name is or will be.

    Raises:
        InvalidRequestError: It cannot be a name.
    """
    if not NAME.fullmatch(name) or name == DEFAULT:
        raise InvalidRequestError(
            f"{name!r} cannot name an encoder. Use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
            f"letter or digit; {DEFAULT!r} is taken by the one that comes with toolhone."
        )
    return data / FOLDER / name


def use_encoder(data: Path, name: str, sha256: str | None, reason: Reason) -> Choice:
    """Note that this encoder is used from now on. Whoever calls this has checked its files.

    Args:
        sha256: Of its manifest; `None`, with the name `DEFAULT`, for the one that comes with toolhone.

    Raises:
        ModelUnavailableError: The file with the earlier choices is damaged or cannot be written.
    """
    if sha256 is not None:
        encoder_folder(data, name)
    choice = Choice(
        name=name, sha256=sha256, reason=reason, at=datetime.now(UTC).isoformat(timespec="seconds")
    )
    state = _State(history=(*choices(data), choice))
    path = data / FOLDER / STATE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=".active-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(state.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except OSError as exc:
        raise ModelUnavailableError(f"The choice of encoder cannot be kept in {str(path)!r}: {exc}.") from exc
    return choice


def known_encoders(data: Path) -> list[KnownEncoder]:
    """The encoders in the data folder, the oldest first. What is no encoder is left out.

    Raises:
        ModelUnavailableError: The file that names the active one is damaged.
    """
    active = active_encoder(data)
    found: list[KnownEncoder] = []
    for manifest in sorted((data / FOLDER).glob(f"*/{MANIFEST}")):
        if not NAME.fullmatch(manifest.parent.name):
            continue
        try:
            raw = manifest.read_bytes()
            about: Json = json.loads(raw)
        except (OSError, ValueError):
            continue
        if not isinstance(about, dict):
            continue
        about = cast("JsonObject", about)
        sha256 = hashlib.sha256(raw).hexdigest()
        found.append(
            KnownEncoder(
                name=manifest.parent.name,
                sha256=sha256,
                base=str(about.get("base", "")),
                created=str(about.get("created", "")),
                size=sum(file.stat().st_size for file in manifest.parent.iterdir()),
                active=active == (manifest.parent, sha256),
                verdict=_verdict(about),
            )
        )
    return sorted(found, key=lambda encoder: (encoder.created, encoder.name))


def _verdict(manifest: JsonObject) -> JsonObject | None:
    verdict: Json = manifest.get("verdict")
    return cast("JsonObject", verdict) if isinstance(verdict, dict) else None


def _damaged(path: Path, why: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{str(path)!r}, which names the encoder in use, cannot be read: {why}. Remove it to go back to the "
        "encoder that comes with toolhone.",
        data={"path": str(path)},
    )
