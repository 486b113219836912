"""Take out of a foreign tool's words what a reader does not see. Pure.

Only words for readers are changed: what a call must match (names, enums, patterns, defaults) stays as it is.
"""

from typing import cast

from toolhone.invisible import unseen_in, without_unseen
from toolhone.json_values import texts
from toolhone.models import Json, JsonObject

_WORDS = frozenset({"description", "title", "$comment"})
_VALUES = frozenset({"const", "default", "enum", "examples", "pattern", "required"})
_OF_NAMES = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
"""Keywords whose keys are names that the tool chose, so that "default" may be one."""


def unseen_in_tool(tool: JsonObject, spelled: str) -> list[str]:
    """What of a tool is not seen, wherever it stands, as `unseen_in` says it.

    Args:
        spelled: The tool as canonical JSON: one look at it is enough for nearly all tools.
    """
    # JSON writes the controls below U+0020 as escapes.
    if "\\u00" not in spelled and not unseen_in(spelled):
        return []
    return unseen_in("\n".join(texts(tool)))


def cleaned(tool: JsonObject) -> JsonObject:
    """The tool with clean words."""
    clean: JsonObject = _cleaned(tool, names=False)
    return clean


def _cleaned(value: Json, *, names: bool) -> Json:
    if isinstance(value, list):
        return [_cleaned(part, names=False) for part in cast("list[Json]", value)]
    if not isinstance(value, dict):
        return value
    clean: JsonObject = {}
    for key, part in cast("JsonObject", value).items():
        if names:
            clean[key] = _cleaned(part, names=False)
        elif key in _WORDS and isinstance(part, str):
            clean[key] = without_unseen(part)
        elif key in _VALUES:
            clean[key] = part
        else:
            clean[key] = _cleaned(part, names=key in _OF_NAMES)
    return clean
