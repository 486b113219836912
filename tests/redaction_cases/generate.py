"""Writes `cases.jsonl`, the labelled set that redaction is measured with: python generate.py [FILE].

One case a line: `value`; `gone`, what must not survive, with the kinds that are right for it; `stay`, what
must. A case without `gone` must come out unchanged. Everything is made up, from one seed.

Every text that must go is cut into pieces by `CUT`, so that nothing in the file looks like a secret to those
who scan for them. Who reads the file takes the cuts out again.
"""

import json
import sys
from pathlib import Path

from ordinary import ordinary
from planted import Case, planted

CUT = "\u00a6"
FILE = Path(__file__).with_name("cases.jsonl")


def cut(text: str) -> str:
    return CUT.join(text[place : place + 3] for place in range(0, len(text), 3))


def line(case: Case) -> str:
    value = json.dumps(case.value, ensure_ascii=False)
    gone: list[object] = []
    for secret, kinds in case.gone:
        written = json.dumps(secret, ensure_ascii=False)[1:-1]
        for spelling in {secret, written, json.dumps(written, ensure_ascii=False)[1:-1]}:
            value = value.replace(spelling, cut(spelling))
        gone.append([cut(secret), *kinds])
    # A key is more than the line that is looked for.
    value = value.replace("PRIVATE KEY", cut("PRIVATE KEY"))
    kept = json.dumps(case.stay, ensure_ascii=False)
    return (
        f'{{"name": {json.dumps(case.name)}, "value": {json.dumps(value, ensure_ascii=False)}, '
        f'"gone": {json.dumps(gone, ensure_ascii=False)}, "stay": {kept}}}'
    )


def main() -> None:
    cases = [*planted(), *ordinary()]
    text = "".join(line(case) + "\n" for case in cases)
    Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
