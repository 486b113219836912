"""What learning from use says of itself: its versions, and what one run of it came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolhone.models import JsonObject
from toolhone.stores import LearnedVersion, Promotion

if TYPE_CHECKING:
    from toolhone.evaluation.gate import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is served and what was learned."""

    active: str | None
    versions: Sequence[LearnedVersion]
    promotions: Sequence[Promotion]
    new_calls: int
    """Calls recorded since the last version was learned."""
    learn_after: int

    def as_json(self) -> JsonObject:
        return {
            "active": self.active,
            "new_calls": self.new_calls,
            "learn_after": self.learn_after,
            "versions": [version_json(version, self.active) for version in self.versions],
            "promotions": [
                {"version": promotion.version, "at": promotion.at, "why": promotion.why}
                for promotion in self.promotions
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What learning or judging came to."""

    version: str | None
    """`None` if there was too little to learn from."""
    verdict: "Verdict"
    figures: JsonObject
    promoted: bool

    def as_json(self) -> JsonObject:
        return {
            "version": self.version,
            "promoted": self.promoted,
            "verdict": self.verdict.as_json(),
            "figures": self.figures,
        }


def version_json(version: LearnedVersion, active: str | None) -> JsonObject:
    return {
        "version": version.version,
        "status": status_of(version, active),
        "created_at": version.created_at,
        "encoder": version.encoder,
        "artifact_hash": version.artifact_hash,
        "data_hash": version.data_hash,
        "until": version.until,
        "parent": version.parent,
        "expired": version.expired,
        "figures": version.figures,
    }


def status_of(version: LearnedVersion, active: str | None) -> str:
    if version.expired is not None:
        return "expired"
    if version.version == active:
        return "active"
    return str(version.figures.get("verdict", {}).get("decision", "kept"))
