"""The ranking must not get worse unseen: `toolhone rank` on a frozen set, against figures that were kept.

The figures of each query stand in `frozen/expected.json`. The test fails if recall@5 dropped by more than
chance: if the whole 95 % interval of the paired difference lies below zero. That takes about four queries of
the 206 that lose their tool and none that gains one. After a change that is meant, write the figures anew:

    python tests/selection/test_frozen_set.py
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from toolhone.evaluation.intervals import bootstrap_mean, paired_difference
from toolhone.evaluation.query_sets import read_labelled_queries
from toolhone.evaluation.retrieval import recall_at
from toolhone.models import JsonObject

FOLDER = Path(__file__).parent / "frozen"
TOOLS, QUERIES, EXPECTED = (FOLDER / name for name in ("tools.jsonl", "queries.jsonl", "expected.json"))
REFRESH = "python tests/selection/test_frozen_set.py"
K = 5


def recall_of_each_query() -> dict[str, float]:
    """What the selector finds now, as anybody would ask it from outside."""
    request = json.dumps({"tools": str(TOOLS), "queries": str(QUERIES), "k": K})
    command = [sys.executable, "-m", "toolhone", "rank"]
    done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=300, check=False)
    # A warning says that something was left out, the encoder for instance: no figure of the whole then.
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    with QUERIES.open("rb") as lines:
        queries = read_labelled_queries(lines, QUERIES.name)
    return {
        str(query.id): recall_at(answer["ranked"], query.gold, K)
        for query, answer in zip(queries, answers, strict=True)
    }


def hashes() -> JsonObject:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (TOOLS, QUERIES)}


def test_recall_has_not_dropped_beyond_its_noise() -> None:
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert expected["files"] == hashes(), f"The set has changed since its figures were kept: {REFRESH}"
    before: dict[str, float] = expected["queries"]
    now = recall_of_each_query()

    changed = paired_difference([now[name] for name in before], list(before.values()))
    lost = [name for name in before if now[name] < before[name]]
    assert changed.high >= 0.0, (
        f"recall@{K} changed by {100 * changed.mean:.1f} points ({100 * changed.low:.1f} to "
        f"{100 * changed.high:.1f}). Worse are {', '.join(lost)}. If that is meant: {REFRESH}"
    )


def refresh() -> None:
    """Keep what the selector finds now as what is expected, and say what changed."""
    queries = recall_of_each_query()
    mean = bootstrap_mean(list(queries.values()))
    if EXPECTED.exists():
        before: dict[str, float] = json.loads(EXPECTED.read_text(encoding="utf-8"))["queries"]
        same = [name for name in queries if name in before]
        changed = paired_difference([queries[name] for name in same], [before[name] for name in same])
        print(f"changed by {100 * changed.mean:+.1f} ({100 * changed.low:+.1f} to {100 * changed.high:+.1f})")
    kept: JsonObject = {"recall@5": round(mean.mean, 4), "files": hashes(), "queries": queries}
    EXPECTED.write_text(f"{json.dumps(kept, indent=1)}\n", encoding="utf-8")
    print(f"recall@{K} {100 * mean.mean:.1f} ({100 * mean.low:.1f} to {100 * mean.high:.1f}), kept")


if __name__ == "__main__":
    refresh()
