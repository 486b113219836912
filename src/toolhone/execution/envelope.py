"""Reading the `calls` of a batch in the forms models really write them. Pure and deterministic.

The form asked for is a list of `{"id"?, "tool", "arguments"}`. Seen in the field: the list, an item or
the arguments as JSON in a string; one item without a list; parameters beside `tool` instead of inside
`arguments`; `parameters`, `args`, `input` or `params` for `arguments`; `tool_name` or `name` for `tool`,
also inside the arguments; OpenAI's `{"function": {"name", "arguments"}}` and Anthropic's `tool_use` block.

Nothing that was given is dropped. What cannot be understood is refused, never run with `{}` in its place.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from toolhone.exceptions import InvalidArgumentsError, InvalidRequestError, ToolhoneError
from toolhone.execution.repair import NAME_KEYS, WRAPPERS
from toolhone.json_values import is_array, is_object, minified, parse_json
from toolhone.models import Excerpt, Json, JsonObject

SchemaOf: TypeAlias = Callable[[str], JsonObject | None]
"""The input schema of the tool of this name; `None` if there is no such tool."""

_MARKERS = ("function", "function_call", "tool_use")
"""What `type` says in the forms of OpenAI and Anthropic."""

_FORM = 'Write {"tool": NAME, "arguments": {…}}.'


@dataclass(slots=True, kw_only=True)
class Envelope:
    """One item as it was understood. If `error` is set it was not, and must not run."""

    slot: str | None = None
    """The id that the caller gave, if any."""
    tool: str = ""
    arguments: JsonObject = field(default_factory=dict[str, Json])
    excerpt: Excerpt | None = None
    """What of the result is wanted, if not all."""
    given: Json = None
    """The item as it came, if `error` is set."""
    repairs: list[str] = field(default_factory=list[str])
    error: ToolhoneError | None = None


def read_calls(calls: Json, schema_of: SchemaOf) -> list[Envelope]:
    """Every item of the batch, understood or with the reason why not.

    Raises:
        InvalidRequestError: The whole is not a list of calls.
    """
    repairs: list[str] = []
    if isinstance(calls, str):
        try:
            calls = parse_json(calls)
        except ValueError as exc:
            raise InvalidRequestError(f"'calls' is a string that is not JSON ({exc}). {_FORM}") from exc
        repairs.append("Read 'calls' from JSON in a string.")
    if is_object(calls) and isinstance(calls.get("calls"), (list, dict)) and len(calls) == 1:
        calls = calls["calls"]
        repairs.append("Took the calls out of a second 'calls'.")
    if is_object(calls):
        calls = [calls]
        repairs.append("Put the single call into a list.")
    if not is_array(calls):
        raise InvalidRequestError(f"'calls' must be a list of calls, not {_shown(calls)}. {_FORM}")
    envelopes = [_read_item(item, schema_of) for item in calls]
    if envelopes:
        envelopes[0].repairs[:0] = repairs
    return envelopes


def _read_item(given: Json, schema_of: SchemaOf) -> Envelope:
    envelope = Envelope()
    try:
        _fill(envelope, given, schema_of)
    except ToolhoneError as error:
        envelope.error = error
        envelope.given = given
    return envelope


def _fill(envelope: Envelope, item: Json, schema_of: SchemaOf) -> None:
    if isinstance(item, str):
        item = _parsed_object(item, "The call")
        envelope.repairs.append("Read the call from JSON in a string.")
    if not is_object(item):
        raise InvalidRequestError(f"A call must be an object, not {_shown(item)}. {_FORM}")
    rest: JsonObject = dict(item)
    envelope.slot = _slot(rest.pop("id", None))
    function = rest.get("function")
    if is_object(function):
        _unwrap_function(rest, function, envelope)
    name_key = next((key for key in NAME_KEYS if isinstance(rest.get(key), str) and rest[key]), None)
    if name_key is not None:
        envelope.tool = rest.pop(name_key)
        if name_key != "tool":
            envelope.repairs.append(f"Took the tool's name from {name_key!r}.")
    schema = schema_of(envelope.tool) if envelope.tool else None
    container = _container(rest, _parameters(schema))
    arguments = _arguments(rest.pop(container), container, envelope) if container else None
    if not envelope.tool:
        arguments = _name_from_inside(arguments, envelope)
        schema = schema_of(envelope.tool)
    envelope.excerpt = _excerpt(rest, arguments, _parameters(schema))
    for key in [key for key in rest if key not in _parameters(schema)]:
        if (key in NAME_KEYS and rest[key] == envelope.tool) or (key == "type" and rest[key] in _MARKERS):
            del rest[key]
            envelope.repairs.append(f"Removed {key!r}, which says nothing more.")
    if arguments is None:
        arguments = _id_as_argument(envelope, schema)
    if rest:
        arguments = _merged(arguments, rest, envelope)
    envelope.arguments = _with_references(arguments, schema, envelope)


def _with_references(arguments: JsonObject, schema: JsonObject | None, envelope: Envelope) -> JsonObject:
    """Arguments nested in a string once more, if a reference is in there: it must be seen by the plan,
    which is made before arguments are repaired."""
    parameters = _parameters(schema)
    repeated = {key for key in NAME_KEYS if key not in parameters and arguments.get(key) == envelope.tool}
    rest = [(key, value) for key, value in arguments.items() if key not in repeated]
    if len(rest) != 1:
        return arguments
    ((key, text),) = rest
    if key not in WRAPPERS or key in parameters or not isinstance(text, str) or '"$from"' not in text:
        return arguments
    try:
        inner = parse_json(text)
    except ValueError:
        return arguments
    if not is_object(inner) or not inner or not all(name in parameters for name in inner):
        return arguments
    envelope.repairs.extend(f"Removed {name!r}, which says nothing more." for name in sorted(repeated))
    envelope.repairs.append(f"Took the arguments out of {key!r}, under which they were nested.")
    return inner


def _slot(given: Json) -> str | None:
    if given is None or (isinstance(given, str) and given):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    raise InvalidRequestError(f"The id of a call must be a non-empty string, not {_shown(given)}.")


def _unwrap_function(rest: JsonObject, function: JsonObject, envelope: Envelope) -> None:
    """OpenAI's form: the call is inside `function`, beside `"type": "function"`."""
    if rest.keys() & (function.keys() | {"tool"}) or not isinstance(function.get("name"), str):
        return
    del rest["function"]
    rest.update(function)
    envelope.repairs.append("Took the call out of 'function'.")


def _parameters(schema: JsonObject | None) -> Collection[str]:
    properties = (schema or {}).get("properties")
    return properties if is_object(properties) else ()


def _container(rest: JsonObject, parameters: Collection[str]) -> str | None:
    """The key that holds the arguments; a tool's own parameter `input` is not taken for it."""
    if "arguments" in rest:
        return "arguments"
    return next((key for key in WRAPPERS if key in rest and key not in parameters), None)


def _arguments(given: Json, container: str, envelope: Envelope) -> JsonObject:
    if container != "arguments":
        envelope.repairs.append(f"Took the arguments from {container!r}.")
    for _ in range(2):  # Twice: some hosts encode what the model has encoded already.
        if isinstance(given, str):
            text = given.strip()
            given = _parsed(text, f"The {container!r} of the call") if text else {}
            envelope.repairs.append("Read the arguments from JSON in a string.")
    if given is None:
        envelope.repairs.append("Read null as no arguments.")
        return {}
    if not is_object(given):
        raise InvalidArgumentsError(
            f"The arguments of {envelope.tool!r} must be an object, not {_shown(given)}; "
            f"it was not called. {_FORM}"
        )
    return given


def _name_from_inside(arguments: JsonObject | None, envelope: Envelope) -> JsonObject | None:
    """The tool's name given among the arguments, and the arguments without it."""
    inside = arguments or {}
    key = next((key for key in NAME_KEYS if isinstance(inside.get(key), str) and inside[key]), None)
    if key is None:
        raise InvalidRequestError(f"The call does not say which tool. {_FORM}")
    envelope.tool = inside[key]
    envelope.repairs.append(f"Took the tool's name from {key!r} inside the arguments.")
    rest = {name: value for name, value in inside.items() if name != key}
    if len(rest) == 1 and (container := _container(rest, ())):
        return _arguments(rest[container], container, envelope)
    return rest


def _excerpt(rest: JsonObject, arguments: JsonObject | None, parameters: Collection[str]) -> Excerpt | None:
    """`fields`, `limit` and `grep` beside the tool's name; what may be the tool's own parameter is left."""
    asked = {
        key: rest.pop(key)
        for key in ("fields", "limit", "grep")
        if key in rest and (key not in parameters or key in (arguments or {}))
    }
    asked = {key: value for key, value in asked.items() if value is not None}
    if not asked:
        return None
    fields, limit, grep = asked.get("fields", []), asked.get("limit"), asked.get("grep")
    if isinstance(fields, str):
        fields = [name.strip() for name in fields.split(",") if name.strip()]
    if isinstance(limit, str) and limit.isdecimal() and len(limit) < 10:
        limit = int(limit)
    if not is_array(fields) or not all(isinstance(name, str) and name for name in fields):
        raise InvalidRequestError(
            f"'fields' must be a list of names, not {_shown(fields)}; it was not called."
        )
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidRequestError(
            f"'limit' must be a number of rows, not {_shown(limit)}; it was not called."
        )
    if grep is not None and (not isinstance(grep, str) or not grep):
        raise InvalidRequestError(
            f"'grep' must be a text to look for, not {_shown(grep)}; it was not called."
        )
    return Excerpt(fields=tuple(fields), limit=limit, grep=grep)


def _id_as_argument(envelope: Envelope, schema: JsonObject | None) -> JsonObject:
    """Without `arguments`, an `id` may be the call's or the tool's: only the schema can tell."""
    if envelope.slot is None or "id" not in _parameters(schema):
        return {}
    required: Json = (schema or {}).get("required")
    if is_array(required) and "id" in required:
        envelope.repairs.append("Passed 'id' to the tool, which requires it.")
        return {"id": envelope.slot}
    raise InvalidArgumentsError(
        f"'id' could be the id of the call or a parameter of {envelope.tool!r}; it was not called. "
        "Put the tool's parameters into 'arguments'."
    )


def _merged(arguments: JsonObject, rest: JsonObject, envelope: Envelope) -> JsonObject:
    if twice := sorted(arguments.keys() & rest.keys()):
        raise InvalidArgumentsError(
            f"{envelope.tool!r} was not called: {', '.join(map(repr, twice))} stands both inside its "
            f"arguments and beside them. {_FORM}"
        )
    names = ", ".join(repr(name) for name in rest)
    envelope.repairs.append(f"Put {names} into the arguments, beside which they stood.")
    return {**arguments, **rest}


def _parsed(text: str, what: str) -> Json:
    try:
        return parse_json(text)
    except ValueError as exc:
        raise InvalidArgumentsError(
            f"{what} is a string that is not JSON ({exc}): {text[:80]!r}. It was not called. {_FORM}"
        ) from exc


def _parsed_object(text: str, what: str) -> JsonObject:
    value = _parsed(text, what)
    if not is_object(value):
        raise InvalidRequestError(f"{what} must be an object, not {_shown(value)}. {_FORM}")
    return value


def _shown(value: Json) -> str:
    text = minified(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
