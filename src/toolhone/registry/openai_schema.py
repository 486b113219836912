"""Tool definitions from the words of OpenAI's function calling, and of the configuration beside them."""

import logging
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import cast

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Annotations, Category, Json, JsonObject, Limits, ToolDefinition

logger = logging.getLogger(__name__)

_SCHEMA_KEYS = ("inputSchema", "input_schema", "parameters")
_RISKS = frozenset({"low", "medium", "high", "critical"})
_PERMISSIONS = frozenset({"public", "authenticated", "privileged", "admin"})


def definition_from_schema(
    name: str, config: object, full_schema: Mapping[str, Json] | None
) -> ToolDefinition:
    """One definition from a schema in OpenAI's, Anthropic's or MCP's spelling, and a `tool_config`.

    `full_schema` says `parameters`, `input_schema` or `inputSchema`, with or without
    `{"type": "function", "function": {…}}` around it. `config` is a mapping, an object with attributes
    (a dataclass or pydantic model) or `None`. Of it

    * `description`, `category`, `timeout_seconds` and `max_calls_per_minute` mean what they say,
    * `risk_level` high or critical annotates the tool as destructive,
    * `permission_level` may be any: whoever uses the library is the local user, who may do everything,
    * anything else, such as `require_approval`, `max_calls_per_hour` or `provider`, has no effect here,
      and a warning that is logged says so.

    Raises:
        InvalidRequestError: Something of this cannot be honoured; the message names it.
    """
    schema = dict(full_schema or {})
    inner: Json = schema.get("function")
    if schema.get("type") == "function" and isinstance(inner, dict):
        schema = dict(cast("JsonObject", inner))
    settings = _settings(name, config)
    for word, said in (("tool_name", settings.pop("tool_name", name)), ("name", schema.get("name", name))):
        if said != name:
            raise InvalidRequestError(f"The tool {name!r} has another {word} in its schema: {said!r}.")
    description: Json = settings.pop("description", "") or schema.get("description") or ""
    category = _one_of("category", settings.pop("category", Category.GENERAL), set(Category), name)
    risk = _one_of("risk_level", settings.pop("risk_level", "low"), _RISKS, name)
    _one_of("permission_level", settings.pop("permission_level", "public"), _PERMISSIONS, name)
    limits = Limits(
        timeout_seconds=_positive("timeout_seconds", settings.pop("timeout_seconds", None), name),
        max_calls_per_minute=_whole("max_calls_per_minute", settings.pop("max_calls_per_minute", None), name),
    )
    # What is switched off promises nothing.
    without_effect = sorted(key for key, value in settings.items() if value is not False)
    if without_effect:
        logger.warning(
            "The tool_config of %r says what has no effect in toolhone: %s.", name, ", ".join(without_effect)
        )
    return ToolDefinition(
        name=name,
        description=str(description),
        input_schema=_input_schema(name, schema),
        output_schema=schema.get("outputSchema"),
        annotations=Annotations(destructive=True if risk in ("high", "critical") else None),
        category=Category(category),
        limits=limits,
        original_name=name,
    )


def _settings(name: str, config: object) -> dict[str, Json]:
    """What the configuration says, in whatever form; `None` says nothing."""
    given: Mapping[str, Json]
    if config is None:
        given = {}
    elif isinstance(config, Mapping):
        given = cast("Mapping[str, Json]", config)
    elif is_dataclass(config) and not isinstance(config, type):
        given = {field.name: getattr(config, field.name) for field in fields(config)}
    elif hasattr(config, "__dict__") and not isinstance(config, type):
        given = vars(config)
    else:
        raise InvalidRequestError(
            f"The tool_config of {name!r} must be a mapping or an object with attributes, not {config!r}."
        )
    return {key: value for key, value in given.items() if value is not None and not key.startswith("_")}


def _input_schema(name: str, schema: Mapping[str, Json]) -> JsonObject:
    said = [key for key in _SCHEMA_KEYS if key in schema]
    if len(said) > 1:
        raise InvalidRequestError(f"The schema of {name!r} says both {said[0]!r} and {said[1]!r}.")
    if said:
        value: Json = schema[said[0]]
    elif schema.get("type") == "object":
        value = {key: part for key, part in schema.items() if key not in ("name", "description")}
    else:
        value = {}  # OpenAI's spelling of a function without parameters.
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{said[0]!r} of {name!r} must be a JSON Schema, not {value!r}.")
    return {"type": "object", "properties": {}, **cast("JsonObject", value)}


def _one_of(word: str, value: Json, allowed: set[Category] | frozenset[str], name: str) -> str:
    # Enums of other libraries say their word with `.value`.
    said: Json = getattr(value, "value", value)
    words = sorted(str(item) for item in allowed)
    if said not in words:
        raise InvalidRequestError(
            f"{word} {said!r} of {name!r} cannot be honoured; use one of {', '.join(words)}."
        )
    return str(said)


def _positive(word: str, value: Json, name: str) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
        raise InvalidRequestError(f"{word} of {name!r} must be a number above 0, not {value!r}.")
    return value


def _whole(word: str, value: Json, name: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidRequestError(f"{word} of {name!r} must be a whole number above 0, not {value!r}.")
    return value
