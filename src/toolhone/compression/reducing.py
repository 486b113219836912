"""What a level keeps of a tool definition, before it is written."""

from typing import cast

from toolhone.compression import notation
from toolhone.compression.levels import Level
from toolhone.compression.purposes import first_sentence, purpose
from toolhone.models import Json, JsonObject

INDEX_WORDS = 6
PURPOSE_WORDS = 7
_PROSE = frozenset({"title", "examples", "example", "$comment", "markdownDescription", "$schema"})


def reduced(tool: JsonObject, level: Level) -> JsonObject:
    """`tool` without what `level` (types or brief) leaves out: prose, output, annotations."""
    text = tool.get("description")
    said = text if isinstance(text, str) else ""
    short = first_sentence(said) if level is Level.BRIEF else purpose(said, PURPOSE_WORDS)
    kept: JsonObject = {"name": tool["name"]}
    if short:
        kept["description"] = short
    kept["inputSchema"] = without_prose(tool.get("inputSchema"), brief=level is Level.BRIEF)
    return kept


def without_prose(schema: Json, *, brief: bool = False) -> Json:
    """The structure of a schema; with `brief` also the first sentence of every description."""
    if not isinstance(schema, dict):
        return schema
    kept: JsonObject = {}
    for key, value in cast("JsonObject", schema).items():
        if key in _PROSE:
            continue
        if key == "description":
            if brief and isinstance(value, str) and (said := first_sentence(value)):
                kept[key] = said
        elif key in notation.SCHEMA_MAPS and isinstance(value, dict):
            kept[key] = {
                name: without_prose(part, brief=brief) for name, part in cast("JsonObject", value).items()
            }
        elif key in notation.SCHEMA_LISTS and isinstance(value, list):
            kept[key] = [without_prose(part, brief=brief) for part in cast("list[Json]", value)]
        elif key in notation.SCHEMA_VALUES:
            kept[key] = without_prose(value, brief=brief)
        elif key == "required" and isinstance(value, list):
            kept.update(
                {key: _in_order(cast("list[Json]", value), cast("JsonObject", schema))} if value else {}
            )
        else:
            kept[key] = value
    return kept


def _in_order(required: list[Json], schema: JsonObject) -> list[Json]:
    """`required` in the order of the properties: only which names it holds matters."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(name, str) for name in required):
        return required
    names = list(dict.fromkeys(cast("list[str]", required)))
    known = [name for name in cast("JsonObject", properties) if name in names]
    return [*known, *(name for name in names if name not in properties)]


def seed(tool: JsonObject) -> JsonObject:
    """The `{n, d, p, r}` form: descriptions cut, everything but types dropped."""
    text = tool.get("description")
    schema = tool.get("inputSchema")
    found = cast("JsonObject", schema) if isinstance(schema, dict) else {}
    properties = found.get("properties")
    parameters: JsonObject = {}
    for name, value in cast("JsonObject", properties if isinstance(properties, dict) else {}).items():
        part = cast("JsonObject", value) if isinstance(value, dict) else {}
        said = part.get("description")
        kind = part.get("type")
        parameters[name] = {
            "t": kind if isinstance(kind, str) else "string",
            "d": said[:50] if isinstance(said, str) else "",
        }
    required = found.get("required")
    return {
        "n": tool.get("name"),
        "d": text[:100] if isinstance(text, str) else "",
        "p": parameters,
        "r": required if isinstance(required, list) else [],
    }
