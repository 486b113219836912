"""Measures redaction with the labelled set: python score.py [--json] [--misses].

Recall of a kind is the share of what is labelled with it that is gone, with a mark of a kind that the label
allows in its place. Precision is the share of marks that stand for something labelled: every mark more than
there are labels, and every lost piece that had to stay, counts against the kind of the mark.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from generate import CUT, FILE

from toolhone.models import Json
from toolhone.redaction import redact_record
from toolhone.redaction.placeholders import NUMBERED

PERSONAL = ("email", "phone", "card", "iban", "national_id", "ip_address")
_LEAK = 8
"""A piece of a secret as long as this must not survive either."""


@dataclass(frozen=True)
class Labelled:
    """One case of the set."""

    name: str
    value: Json
    gone: list[tuple[str, list[str]]]
    stay: list[str]


def load(path: Path = FILE) -> list[Labelled]:
    """The cases, with every text that was cut put together again."""
    cases: list[Labelled] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line.replace(CUT, ""))
        gone = [(secret, kinds) for secret, *kinds in row["gone"]]
        cases.append(Labelled(row["name"], json.loads(row["value"]), gone, row["stay"]))
    return cases


@dataclass
class Tally:
    """What happened to the labels and marks of one kind."""

    labels: int = 0
    found: int = 0
    wrong: int = 0

    def row(self) -> dict[str, float]:
        marks = self.found + self.wrong
        return {
            "labels": self.labels,
            "found": self.found,
            "wrong": self.wrong,
            "precision": self.found / marks if marks else 1.0,
            "recall": self.found / self.labels if self.labels else 1.0,
        }


def _written(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _survives(secret: str, text: str) -> bool:
    if len(secret) < 2 * _LEAK:
        return secret in text
    return any(secret[start : start + _LEAK] in text for start in range(len(secret) - _LEAK + 1))


def score(cases: list[Labelled]) -> tuple[dict[str, Tally], list[str]]:
    """The tally of every kind, and a line for each miss."""
    tallies: dict[str, Tally] = {}
    misses: list[str] = []
    for case in cases:
        redacted = redact_record(case.value)
        text = _written(redacted)
        spare = Counter(mark["kind"] for mark in NUMBERED.finditer(text))
        for secret, kinds in case.gone:
            tally = tallies.setdefault(kinds[0], Tally())
            tally.labels += 1
            kind = next((kind for kind in kinds if spare[kind]), None)
            if kind and not _survives(secret, text):
                tally.found += 1
                # One text may stand several times.
                spare[kind] -= max(1, _written(case.value).count(secret))
            else:
                misses.append(f"missed {case.name}: {kinds[0]} {secret!r} in {text!r}")
        lost = [piece for piece in case.stay if piece not in text]
        for kind in (+spare).elements():
            tallies.setdefault(kind, Tally()).wrong += 1
        if lost and case.gone:
            tallies.setdefault(case.gone[0][1][0], Tally()).wrong += 1
        if (+spare) or lost or (not case.gone and redacted != case.value):
            misses.append(f"wrong {case.name}: {dict(+spare)} lost {lost} in {text!r}")
    return tallies, misses


def total(tallies: dict[str, Tally], *, personal: bool) -> Tally:
    """All kinds of secrets as one, or all of personal data."""
    chosen = [tally for kind, tally in tallies.items() if (kind in PERSONAL) is personal]
    return Tally(*(sum(getattr(tally, name) for tally in chosen) for name in ("labels", "found", "wrong")))


def main() -> None:
    cases = load()
    tallies, misses = score(cases)
    rows = {
        kind: tally.row() for kind, tally in sorted(tallies.items(), key=lambda item: item[0] in PERSONAL)
    }
    rows["secrets"] = total(tallies, personal=False).row()
    rows["personal data"] = total(tallies, personal=True).row()
    quiet = [case for case in cases if not case.gone]
    changed = sum(redact_record(case.value) != case.value for case in quiet)
    if "--json" in sys.argv:
        print(json.dumps({"cases": len(cases), "ordinary": len(quiet), "changed": changed, "kinds": rows}))
        return
    print(f"{len(cases)} cases, {len(quiet)} of them ordinary, of which {changed} changed")
    print(f"{'kind':20}{'labels':>8}{'found':>8}{'wrong':>8}{'precision':>11}{'recall':>9}")
    for kind, row in rows.items():
        counts = "".join(f"{int(row[name]):8}" for name in ("labels", "found", "wrong"))
        print(f"{kind:20}{counts}{row['precision']:11.3f}{row['recall']:9.3f}")
    if "--misses" in sys.argv:
        print("\n".join(misses))


if __name__ == "__main__":
    main()
