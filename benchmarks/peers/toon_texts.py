"""toon-format on JSON values: stdin holds a JSON list, stdout gets the list of their TOON texts.

A value that it cannot encode is null in the answer.
"""

import json
import sys
from typing import Any

import toon_format


def encoded(value: Any) -> str | None:
    try:
        return toon_format.encode(value)
    # Whatever one value ends with must not cost the others.
    except Exception:
        return None


json.dump([encoded(value) for value in json.load(sys.stdin)], sys.stdout)
