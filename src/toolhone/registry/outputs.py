"""Python values and JSON values as tool outputs."""

import json
import math
from typing import cast

from pydantic_core import PydanticSerializationError, to_jsonable_python

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json, JsonObject, ToolOutput
from toolhone.pointers import pointer

_PLACES_SHOWN = 3


def text_block(text: str) -> JsonObject:
    """A text content block in MCP's wire form."""
    return {"type": "text", "text": text}


def json_output(value: Json, *, declared: bool) -> ToolOutput:
    """A JSON value as text, and as structured content if it is an object or has a declared schema.

    Only objects are structured without a schema, because older protocol eras know no others. NaN and the
    infinities, which JSON cannot say, become null, and a notice says where.
    """
    notices: tuple[str, ...] = ()
    try:
        text = _text(value)
    except ValueError:
        # Looked for only now, when it is known to be there: other answers are walked once less.
        places: list[str] = []
        value = _without_nan(value, "", places)
        text = _text(value)
        shown = ", ".join(places[:_PLACES_SHOWN]) + (", …" if len(places) > _PLACES_SHOWN else "")
        notices = (f"The answer has {shown}: this is not JSON and was sent as null.",)
    structured = declared or isinstance(value, dict)
    return ToolOutput(
        content=(text_block(text),),
        structured=value if structured else None,
        has_structured=structured,
        notices=notices,
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _without_nan(value: Json, path: str, places: list[str]) -> Json:
    """The value with null for what JSON has no number for; where that was is added to `places`."""
    if isinstance(value, dict):
        items = cast("JsonObject", value).items()
        return {key: _without_nan(part, path + pointer([key]), places) for key, part in items}
    if isinstance(value, list):
        parts = enumerate(cast("list[Json]", value))
        return [_without_nan(part, path + pointer([index]), places) for index, part in parts]
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        places.append(f"{name} at {path}" if path else name)
        return None
    return value


def python_output(value: object, *, tool: str, declared: bool) -> ToolOutput:
    """What a Python function returned; a ToolOutput is taken as it is.

    pydantic models, dataclasses, dates, paths and the like become JSON as pydantic writes them.

    Raises:
        ToolFailedError: The value has no JSON form.
    """
    if isinstance(value, ToolOutput):
        return value
    try:
        plain: Json = to_jsonable_python(value, inf_nan_mode="constants", by_alias=True)
    except (PydanticSerializationError, ValueError) as exc:  # ValueError: a circular reference
        raise ToolFailedError(
            f"{tool!r} returned a {type(value).__name__} that has no JSON form ({exc}); "
            "return JSON values, a dataclass or a pydantic model."
        ) from exc
    return json_output(plain, declared=declared)
