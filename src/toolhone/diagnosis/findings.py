"""What a look at one thing found."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from toolhone.models import JsonObject


class Health(StrEnum):
    """How it is with one thing."""

    OK = "ok"
    WARNING = "warning"
    """It works, or will not for long, or perhaps not as meant."""
    PROBLEM = "problem"
    """Something that is asked of toolhone does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. No part of it holds a secret."""

    topic: str
    health: Health
    what: str
    mend: str | None = None
    """What to do, as a command where there is one."""

    def as_json(self) -> JsonObject:
        return asdict(self)


def ok(topic: str, what: str) -> Finding:
    return Finding(topic=topic, health=Health.OK, what=what)


def warning(topic: str, what: str, mend: str) -> Finding:
    return Finding(topic=topic, health=Health.WARNING, what=what, mend=mend)


def problem(topic: str, what: str, mend: str) -> Finding:
    return Finding(topic=topic, health=Health.PROBLEM, what=what, mend=mend)
