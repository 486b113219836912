"""From one tool definition to its block: a head line, its description, one line a parameter."""

from dataclasses import dataclass, field
from typing import cast

from toolhone.compression import conventions as convention
from toolhone.compression import notation
from toolhone.compression.conventions import Conventions
from toolhone.compression.expressions import ExpressionWriter, after_name
from toolhone.compression.notation import minified, written_name
from toolhone.compression.parts import Kind, Parts
from toolhone.compression.texts import text_part
from toolhone.models import Json, JsonObject


@dataclass(slots=True)
class Parameter:
    """One parameter's line: what stands after the name is a part that other tools may share."""

    name: str
    optional: bool
    part: int


@dataclass(slots=True)
class Block:
    """One tool, as templates."""

    head: str
    text: str | None = None
    lines: list[str | Parameter] = field(default_factory=list[str | Parameter])
    flags: list[str] = field(default_factory=list[str])
    """Marks of the head line."""
    joined: bool = False
    """Whether parameters without a description stand on one line."""


def raw_block(tool: JsonObject) -> Block:
    """The whole tool as JSON, in the head line."""
    name = tool.get("name")
    return Block(f"## {written_name(name) if isinstance(name, str) else '-'} {minified(tool)}")


class DefinitionWriter:
    """Writes the tools of one catalog."""

    def __init__(self, parts: Parts, conventions: Conventions) -> None:
        self._parts = parts
        self._conventions = conventions
        self._write = ExpressionWriter(parts, closed=conventions.closed_objects)

    def block(self, tool: JsonObject, *, joined: bool = False) -> Block:
        """One tool. What has no place of its own is written as `+key=value`.

        With `joined`, parameters without a description stand on one line.
        """
        rest = dict(tool)
        name = rest.pop("name")
        schema = rest.pop("inputSchema")
        block = Block(f"## {written_name(name)}", joined=joined)
        if isinstance(text := rest.get("description"), str):
            del rest["description"]
            block.text = text_part(self._parts, text)
        output = rest.pop("outputSchema") if isinstance(rest.get("outputSchema"), dict) else None
        block.head += _hints(rest)
        if isinstance(schema, dict):
            self._input(block, cast("JsonObject", schema))
        else:
            block.lines.append(f" <- {self._write.schema(schema)}")
        block.head += "".join(block.flags) + self._write.extras(rest)
        if output is not None:
            block.lines.append(f" -> {self._write.schema(output)}")
        return block

    def _input(self, block: Block, schema: JsonObject) -> None:
        rest = dict(schema)
        if self._conventions.draft:
            if rest.get("$schema") == self._conventions.draft:
                del rest["$schema"]
            elif "$schema" not in rest:
                block.flags.append(" -draft")
        if self._conventions.titles:
            if convention.has_derived_titles(rest):
                rest = convention.without_titles(rest)
            else:
                block.flags.append(" -titles")
        properties = rest.get("properties")
        if rest.get("type") != "object" or not (properties is None or isinstance(properties, dict)):
            block.lines.append(f" <- {self._write.schema(rest)}")
            return
        del rest["type"]
        if "properties" not in rest:
            block.flags.append(" -")
            properties = {}
        elif properties is None:
            block.lines.append(f" <- {self._write.schema({'type': 'object', **rest})}")
            return
        rest.pop("properties", None)
        fields, mark = self._write.properties(cast("JsonObject", properties), rest, self._conventions.closed)
        if mark:
            block.flags.append(f" {mark}")
        for name, optional, value in fields:
            block.lines.append(self._parameter(name, optional, value))
        others = rest.get("additionalProperties")
        if isinstance(others, dict) or others is True:
            del rest["additionalProperties"]
            block.lines.append(f" {self._write.others(others)}")
        for key, sigil in (("$defs", "$"), ("definitions", "#")):
            self._defined(block, rest, key, sigil)
        if rest:
            block.lines.append(self._write.extras(rest))

    def _defined(self, block: Block, rest: JsonObject, key: str, sigil: str) -> None:
        found = rest.get(key)
        if not isinstance(found, dict) or not found:
            return
        named = cast("JsonObject", found)
        if all(notation.DEFINITION_NAME.fullmatch(name) for name in named):
            del rest[key]
            block.lines.extend(f" {sigil}{name} {self._write.schema(value)}" for name, value in named.items())

    def _parameter(self, name: str, optional: bool, schema: Json) -> Parameter:
        core, text = self._write.split(schema)
        line = after_name(core)
        if text is not None:
            line += f": {text_part(self._parts, text)}" if text else ": \\"
        return Parameter(name, optional, self._parts.add(Kind.PARAMETER, line, name))


def _hints(rest: JsonObject) -> str:
    """MCP's annotations as words in brackets, where nothing but its own flags are set."""
    found = rest.get("annotations")
    if not isinstance(found, dict) or not found:
        return ""
    annotations = cast("JsonObject", found)
    if any(key not in notation.HINTS or not isinstance(value, bool) for key, value in annotations.items()):
        flags = {
            key: value
            for key, value in annotations.items()
            if key in notation.HINTS and isinstance(value, bool)
        }
        if set(annotations) - set(flags) != {"title"} or not isinstance(annotations["title"], str):
            return ""
    del rest["annotations"]
    words = [
        ("" if annotations[key] else "not ") + word
        for key, word in notation.HINTS.items()
        if key in annotations
    ]
    if "title" in annotations:
        words.append(minified(annotations["title"]))
    return f" [{', '.join(words)}]"
