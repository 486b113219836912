"""The coefficients that turn scores into probabilities, and where they are kept.

They were fitted by `encoder/calibrate.py` on train splits. The examples without a fitting tool are tasks
whose right tools were taken out of the catalog. They belong to the encoder whose scores they read, so an
encoder may bring its own in its manifest; one that brings none is judged by words.
"""

import json
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).parent / "assets" / "calibration.json"


class Logistic(BaseModel):
    """One logistic regression over named features; features that are not named count nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float
    coefficients: dict[str, float]


class Calibration(BaseModel):
    """Both regressions, and the decisions taken on them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: Logistic
    task: Logistic
    nothing_below: float = Field(ge=0, le=1)
    """A task whose probability is lower gets the answer that nothing fits."""
    least: float = Field(ge=0, le=1)
    """A tool whose probability is lower is not shown if another is."""


@cache
def by_words() -> Calibration:
    """For answers that no encoder had a part in, or one that brings no calibration."""
    return Calibration.model_validate(json.loads(FILE.read_text(encoding="utf-8")))
