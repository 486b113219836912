"""From a Python function's type hints and docstring to a tool's schemas."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Annotated, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject
from toolhone.registry.python_handler import PROGRESS_PARAMETER, ToolFunction

_SECTION = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_ANY_SECTION = re.compile(r"^[A-Z][A-Za-z ]+:\s*$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What a function's signature says about its tool."""

    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None
    arguments: type[BaseModel]
    """Validates and converts the arguments of a call."""
    parameters: Mapping[str, str]
    """The function's parameter for each field of `arguments`."""


def derive(function: ToolFunction) -> Derived:
    """The schemas of a function, from its hints and its Google-style docstring.

    Raises:
        InvalidRequestError: A parameter has no hint, has one without a JSON Schema, or cannot be given by
            name.
    """
    name = str(getattr(function, "__name__", None) or type(function).__name__)
    try:
        signature = inspect.signature(function)
        hints = get_type_hints(
            function if inspect.isroutine(function) else type(function).__call__, include_extras=True
        )
    except (TypeError, ValueError, NameError, AttributeError) as exc:
        raise InvalidRequestError(f"The signature of {name!r} cannot be read: {exc}.") from exc
    description, described = read_docstring(inspect.getdoc(function) or "")
    fields: JsonObject = {}
    parameters: dict[str, str] = {}
    for parameter in signature.parameters.values():
        if parameter.name == PROGRESS_PARAMETER:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidRequestError(
                f"{name!r} cannot be a tool: its parameter {str(parameter)!r} cannot be given by name. "
                "Name every parameter, or use register() with an input_schema."
            )
        if parameter.name not in hints:
            raise InvalidRequestError(
                f"{name!r} cannot be a tool: its parameter {parameter.name!r} has no type hint."
            )
        # Fields have names of their own, because a parameter may be called `schema` or `_private`,
        # which a pydantic model takes for something else. Callers see the alias only.
        field = f"p{len(fields)}"
        parameters[field] = parameter.name
        # A description inside Annotated[...] is nearer to the parameter than the docstring.
        hint: Json = hints[parameter.name]
        if parameter.name in described and not _has_description(hint):
            hint = Annotated[hint, Field(description=described[parameter.name])]
        default: Json = ... if parameter.default is parameter.empty else parameter.default
        fields[field] = (hint, Field(default, alias=parameter.name))
    try:
        arguments = _model(fields)
        input_schema = arguments.model_json_schema(by_alias=True, schema_generator=_ForAgents)
        output_schema = _output_schema(hints.get("return"))
    except (PydanticUserError, PydanticInvalidForJsonSchema) as exc:
        raise InvalidRequestError(
            f"{name!r} cannot be a tool: a type hint has no JSON Schema ({str(exc).splitlines()[0]})."
        ) from exc
    input_schema.pop("title", None)
    input_schema.setdefault("properties", {})
    return Derived(
        description=description,
        input_schema=input_schema,
        output_schema=output_schema,
        arguments=arguments,
        parameters=parameters,
    )


def _model(fields: JsonObject) -> type[BaseModel]:
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)


def read_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """A Google-style docstring: what stands before its first section, and its `Args:` by name."""
    before: list[str] = []
    described: dict[str, str] = {}
    section: str | None = None
    current: str | None = None
    indent = 0
    for line in docstring.splitlines():
        text = line.strip()
        if _ANY_SECTION.match(line):
            section = "arguments" if _SECTION.match(line) else "other"
        elif section is None:
            before.append(line)
        elif section == "arguments" and text:
            depth = len(line) - len(line.lstrip())
            entry = _ENTRY.match(text)
            if entry is not None and (current is None or depth <= indent):
                current, indent = str(entry[1]), depth
                described[current] = entry[2]
            elif current is not None:
                described[current] = f"{described[current]} {text}".strip()
    return "\n".join(before).strip(), described


class _ForAgents(GenerateJsonSchema):
    """Without made-up titles. A default that JSON cannot say is left out; the function still has it."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as in its base

    def field_title_should_be_set(self, schema: Json) -> bool:
        return False


def _has_description(hint: Json) -> bool:
    return any(getattr(extra, "description", None) for extra in getattr(hint, "__metadata__", ()))


def _has_fields(hint: Json) -> bool:
    if not isinstance(hint, type):
        return False
    kind = cast("type[object]", hint)
    # A TypedDict is told by what it has: that of typing_extensions is none to typing.is_typeddict.
    return issubclass(kind, BaseModel) or is_dataclass(kind) or hasattr(kind, "__total__")


def _output_schema(hint: Json) -> JsonObject | None:
    if not _has_fields(hint):
        return None
    adapter: TypeAdapter[Json] = TypeAdapter(hint)
    schema = adapter.json_schema(by_alias=True, mode="serialization", schema_generator=_ForAgents)
    schema.pop("title", None)
    return schema
