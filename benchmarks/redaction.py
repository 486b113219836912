"""What redaction finds of a labelled set, and how many records it redacts in a second on one core.

python benchmarks/redaction.py [--misses]

The set is `tests/redaction_cases/cases.jsonl`, the scoring `tests/redaction_cases/score.py` beside it.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from toolhone.models import Json
from toolhone.redaction import redact, redact_record

SCORE = Path(__file__).parents[1] / "tests" / "redaction_cases" / "score.py"
CALLS = 1000

ORDINARY: Json = {
    "input_data": {
        "messages": [
            {
                "role": "system",
                "content": "You review changes. Answer in JSON: verdict, findings.",
            },
            {
                "role": "user",
                "content": "Please look at src/shop/cart.py, lines 40-92: the total is wrong when a "
                "coupon of 10% is applied twice. Order 2024-000123 shows it. "
                "See commit 9fceb02d0ae598e95dc970b74767f19372d61af8.",
            },
        ],
        "tools": [
            {"name": "read_file", "path": "src/shop/cart.py"},
            {"name": "run_tests", "args": ["-q", "tests/test_cart.py"]},
        ],
        "options": {"max_tokens": 512, "temperature": 0.2, "timeout": 30},
    },
    "output_data": {
        "verdict": "changes_requested",
        "findings": [
            {
                "file": "src/shop/cart.py",
                "line": 57,
                "severity": "high",
                "text": "apply_coupon() mutates self.total; the second starts at the lower price.",
            },
            {
                "file": "src/shop/cart.py",
                "line": 81,
                "severity": "low",
                "text": "Use Decimal rather than float: 0.1 + 0.2 != 0.3",
            },
        ],
        "elapsed": "12.4s",
        "finished": "2026-01-15T10:30:00.123456+00:00",
    },
    "metadata": {
        "run": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "version": "1.4.2",
        "host": "worker-7",
        "branch": "fix/coupon-twice",
    },
    "session": "s-2026-01-15-17",
}


def with_secrets() -> Json:
    """The same snapshot with six things that must go, two of them twice."""
    value: Json = json.loads(json.dumps(ORDINARY))
    card = " ".join(["4111", *["1111"] * 3])
    value["input_data"]["messages"][1]["content"] += (
        f" Mail ada@analytical.org, password: Tr0ub4dor3x, from 203.0.113.77; card {card}."
    )
    value["input_data"]["env"] = {"DB_PASSWORD": "Tr0ub4dor3x", "API_KEY": "q7Rt2xKp" + "9Lm4Zs8V"}
    value["output_data"]["reported_to"] = "ada@analytical.org"
    return value


def milliseconds(work: Callable[[], object]) -> float:
    """Of the fastest of many calls, which other work on the machine disturbs least."""
    best = float("inf")
    for _ in range(CALLS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best * 1000


def main() -> None:
    subprocess.run([sys.executable, str(SCORE), *sys.argv[1:]], check=True)
    print(f"\nPython {platform.python_version()}, one core, fastest of {CALLS} calls")
    print(f"{'snapshot':28}{'bytes':>8}{'ms':>9}{'a second':>10}")
    for name, value in {"without secrets": ORDINARY, "with secrets": with_secrets()}.items():
        size = len(json.dumps(value))
        for work in (redact, redact_record):
            took = milliseconds(lambda work=work, value=value: work(value))
            print(f"{work.__name__ + ', ' + name:28}{size:8}{took:9.3f}{1000 / took:10.0f}")
    took = milliseconds(lambda: json.loads(json.dumps(ORDINARY)))
    print(f"{'json there and back':28}{len(json.dumps(ORDINARY)):8}{took:9.3f}{1000 / took:10.0f}")


if __name__ == "__main__":
    main()
