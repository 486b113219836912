"""Answers that carry any text: what agents did need not be Unicode that UTF-8 can carry."""

import json
from functools import cache

from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from toolhone.models import Json


class JsonAnswer(JSONResponse):
    """Half a surrogate pair, which JSON can spell and UTF-8 cannot, is escaped."""

    def render(self, content: Json) -> bytes:
        return encoded(content)


class MarkdownAnswer(Response):
    """A text in Markdown."""

    media_type = "text/markdown"


def encoded(value: Json) -> bytes:
    """A JSON value as it is sent."""
    try:
        # Several times as fast as the standard library's, which every answer would notice.
        return to_json(value)
    except PydanticSerializationError:
        return json.dumps(value, separators=(",", ":")).encode()


def told(value: object) -> Json:
    """A record of ours as a JSON value."""
    return _adapter(type(value)).dump_python(value, mode="json")


@cache
def _adapter(kind: type[object]) -> TypeAdapter[object]:
    return TypeAdapter(kind)
