"""ETags: who has the present version already is told so, and not sent it again (RFC 9110, 8.8 and 13)."""

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header, Response

from toolhone.models import Json, JsonObject
from toolhone.server.api.json_answers import encoded

IfNoneMatch = Annotated[
    list[str] | None,
    Header(
        alias="If-None-Match",
        description="The ETag of the version that you have: if it is still this one, the answer is 304.",
    ),
]

UNCHANGED: JsonObject = {"description": "You have it: it is what your If-None-Match names."}


def tag_of(value: Json) -> str:
    """The ETag of a JSON value: a hash of it."""
    return f'"{hashlib.sha256(encoded(value)).hexdigest()[:32]}"'


def unchanged(tag: str, given: list[str] | None) -> Response | None:
    """The 304 for who has the version of this tag already."""
    return Response(status_code=304, headers=tagged(tag)) if _names(tag, given) else None


def tagged(tag: str) -> Mapping[str, str]:
    """The headers that an answer of this version has."""
    return {"ETag": tag}


def _names(tag: str, given: list[str] | None) -> bool:
    named = [one.strip().removeprefix("W/") for header in given or () for one in header.split(",")]
    return tag in named or "*" in named
