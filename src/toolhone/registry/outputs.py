"""Python values and JSON values as tool outputs."""

import json

from pydantic_core import PydanticSerializationError, to_jsonable_python

from toolhone.exceptions import ToolFailedError
from toolhone.models import Json, JsonObject, ToolOutput


def text_block(text: str) -> JsonObject:
    """A text content block in MCP's wire form."""
    return {"type": "text", "text": text}


def json_output(value: Json, *, declared: bool) -> ToolOutput:
    """A JSON value as text, and as structured content if it is an object or has a declared schema.

    Only objects are structured without a schema, because older protocol eras know no others.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    structured = declared or isinstance(value, dict)
    return ToolOutput(
        content=(text_block(text),), structured=value if structured else None, has_structured=structured
    )


def python_output(value: object, *, tool: str, declared: bool) -> ToolOutput:
    """What a Python function returned; a ToolOutput is taken as it is.

    pydantic models, dataclasses, dates, paths and the like become JSON as pydantic writes them; NaN and
    the infinities, which JSON cannot say, become null.

    Raises:
        ToolFailedError: The value has no JSON form.
    """
    if isinstance(value, ToolOutput):
        return value
    try:
        plain: Json = to_jsonable_python(value, inf_nan_mode="null", by_alias=True)
    except (PydanticSerializationError, ValueError) as exc:  # ValueError: a circular reference
        raise ToolFailedError(
            f"{tool!r} returned a {type(value).__name__} that has no JSON form ({exc}); "
            "return JSON values, a dataclass or a pydantic model."
        ) from exc
    return json_output(plain, declared=declared)
