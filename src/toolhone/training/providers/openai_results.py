"""What a service says of a training, in our words: its state, its events, its result file. Pure.

Services name the same figures differently, so every figure is known by several names.
"""

import base64
import binascii
import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject
from toolhone.training.providers.provider import Phase, ProviderEvent

_PHASES = {phase.value: phase for phase in Phase if phase is not Phase.UNKNOWN} | {
    # Azure's and older words.
    "created": Phase.QUEUED,
    "pending": Phase.QUEUED,
    "notrunning": Phase.QUEUED,
    "pausing": Phase.PAUSED,
    "canceled": Phase.CANCELLED,
}

_FIGURES = {
    "step": "step",
    "total_steps": "steps",
    "epoch": "epoch",
    "train_loss": "training_loss",
    "training_loss": "training_loss",
    "valid_loss": "validation_loss",
    "validation_loss": "validation_loss",
    "eval_loss": "validation_loss",
    "train_accuracy": "token_accuracy",
    "train_mean_token_accuracy": "token_accuracy",
    "training_token_accuracy": "token_accuracy",
    "valid_accuracy": "validation_token_accuracy",
    "valid_mean_token_accuracy": "validation_token_accuracy",
    "validation_mean_token_accuracy": "validation_token_accuracy",
    "validation_token_accuracy": "validation_token_accuracy",
    "full_valid_loss": "full_validation_loss",
    "full_validation_loss": "full_validation_loss",
    "full_valid_mean_token_accuracy": "full_validation_token_accuracy",
    "full_validation_mean_token_accuracy": "full_validation_token_accuracy",
}

_SAID = 2_000
"""Characters of a service's message that are kept."""


def phase_of(raw: str) -> Phase:
    """The state that a service's word stands for; an unknown word is no end."""
    return _PHASES.get(raw.strip().lower(), Phase.UNKNOWN)


def figures(data: Mapping[str, Json]) -> dict[str, float]:
    """The figures that are known by one of their names; empty and non-finite ones are left out."""
    known: dict[str, float] = {}
    for name, value in data.items():
        ours = _FIGURES.get(name.strip().lower())
        number = _number(value)
        if ours is not None and number is not None and ours not in known:
            known[ours] = number
    return known


def event_of(event: JsonObject, epochs: int) -> ProviderEvent:
    """One event. Where it tells the step of how many, the epoch is reckoned from that."""
    data = event.get("data")
    metrics = figures(data) if is_object(data) else {}
    steps = metrics.get("steps")
    if steps and "step" in metrics and "epoch" not in metrics:
        metrics["epoch"] = metrics["step"] / steps * epochs
    return ProviderEvent(
        event_id=str(event.get("id")),
        at=_time(event.get("created_at")),
        message=str(event.get("message") or "")[:_SAID],
        metrics=metrics,
    )


def latest(events: Sequence[ProviderEvent]) -> dict[str, float]:
    """Each figure as it was said last; `events` are oldest first."""
    known: dict[str, float] = {}
    for event in events:
        known.update(event.metrics)
    return known


def failure(job: JsonObject) -> str | None:
    """Why a job failed, as the service says it."""
    error = job.get("error")
    if not is_object(error) or not (error.get("message") or error.get("code")):
        return None
    code, message, parameter = (error.get(name) for name in ("code", "message", "param"))
    said = f"{message or 'no message'}"[:_SAID]
    return said + (f" ({code}{f', {parameter}' if parameter else ''})" if code else "")


def result_rows(content: bytes) -> list[dict[str, float]]:
    """The rows of a result file, step by step; empty if it is not one.

    Some services send it as base64, some as the text itself.
    """
    text = _text(content)
    rows = csv.DictReader(text.splitlines())
    if rows.fieldnames is None or "step" not in {name.strip().lower() for name in rows.fieldnames}:
        return []
    # A row that is longer than the header comes with the key None.
    found = (figures({name: value for name, value in row.items() if isinstance(name, str)}) for row in rows)
    return [row for row in found if "step" in row]


def last_figures(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Each figure as the last row that has it says: validation is not reckoned at every step."""
    known: dict[str, float] = {}
    for row in rows:
        known.update(row)
    return known


def _text(content: bytes) -> str:
    compact = b"".join(content.split())
    try:
        plain = base64.b64decode(compact, validate=True)
    except binascii.Error:
        plain = content
    # A header of letters only could be valid base64; it does not decode to a comma.
    return (plain if b"," in plain else content).decode("utf-8-sig", "replace")


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _time(seconds: Json) -> str:
    number = _number(seconds)
    try:
        moment = datetime.fromtimestamp(number or 0, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="microseconds")
