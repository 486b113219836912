"""What schemathesis has to be told about: how lines of JSON are sent."""

import json
from typing import cast

import schemathesis

from toolhone.models import Json


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Json) -> bytes:
    """Whatever was made up, as lines: each item of a list, or the one there is."""
    items: list[Json] = cast("list[Json]", value) if isinstance(value, list) else [value]
    return "".join(
        item if isinstance(item, str) else json.dumps(item, default=str) + "\n" for item in items
    ).encode("utf-8", "replace")
