"""Turn what a downstream server listed into tools: judged one by one, named, filtered, cleaned, capped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from toolhone.exceptions import PermissionDeniedError
from toolhone.models import (
    Annotations,
    Json,
    JsonObject,
    Limits,
    ToolDefinition,
    canonical_json,
    text_hash,
)
from toolhone.registry.cleaning import cleaned, unseen_in_tool
from toolhone.registry.config import ServerEntry, ServerSettings, ToolSettings
from toolhone.registry.names import exposed_names
from toolhone.registry.schema_shape import shape_problem

MAX_DESCRIPTION = 16_384
"""Characters of a foreign description that are kept; more is an attack or a mistake."""

MAX_DEFINITION = 262_144
"""Characters of a foreign tool as JSON; whoever needs more would spend a model's context on one tool."""

_PARTS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")


@dataclass(frozen=True, slots=True)
class DeniedTool:
    """A tool that the user's lists, or the approval of definitions, keep from being used, kept so that an
    answer can say so."""

    definition: ToolDefinition
    reason: str
    """As in "it is …"."""

    def refusal(self) -> PermissionDeniedError:
        return PermissionDeniedError(
            f"{self.definition.name!r} was not called: it is {self.reason}.", data={"reason": self.reason}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The usable part of one listing."""

    raw: tuple[JsonObject, ...] = ()
    """The sound tools in wire form, as the server sent them, before allow and deny."""
    tools: tuple[ToolDefinition, ...] = ()
    denied: tuple[DeniedTool, ...] = ()
    problems: tuple[str, ...] = ()
    """What was left out or cut, and why."""
    content_hash: str = ""

    @property
    def original_names(self) -> frozenset[str]:
        return frozenset(tool.original_name for tool in self.tools)

    def without(self, held_back: Mapping[str, str]) -> "Listing":
        """The same with these tools among the denied ones, for the reasons given by their original names."""
        if not held_back:
            return self
        held = [
            DeniedTool(tool, held_back[tool.original_name])
            for tool in self.tools
            if tool.original_name in held_back
        ]
        kept = tuple(tool for tool in self.tools if tool.original_name not in held_back)
        return replace(self, tools=kept, denied=(*self.denied, *held))


def definition_of(tool: JsonObject) -> JsonObject:
    """What a server says of a tool that an agent goes by: what is approved, as the server spells it."""
    return {key: tool[key] for key in _PARTS if tool.get(key) is not None}


def read_listing(listed: Sequence[Json], entry: ServerEntry, prefix: str) -> Listing:
    """Judge every tool on its own, so that a wrong one costs only itself. Takes a while for thousands."""
    problems: list[str] = []
    sound: dict[str, JsonObject] = {}
    spelled: list[str] = []
    unclean: dict[str, JsonObject] = {}
    for index, tool in enumerate(listed):
        text, problem = _spelled(tool)
        if problem is not None:
            problems.append(f"Tool {_name_of(tool, index)} is left out: {problem}.")
        elif tool["name"] in sound:
            problems.append(f"Tool {tool['name']!r} is listed twice; the first one counts.")
        else:
            sound[tool["name"]] = tool
            spelled.append(text)
            if unseen := unseen_in_tool(tool, text):
                unclean[tool["name"]] = cleaned(tool)
                problems.append(
                    f"Tool {tool['name']!r} has characters that a reader does not see: {', '.join(unseen)}."
                )
    # Names are given before filtering, so that a changed filter renames nothing.
    names = exposed_names(prefix, sound)
    settings = entry.settings
    tools: list[ToolDefinition] = []
    denied: list[DeniedTool] = []
    for original, tool in sound.items():
        definition = _definition(unclean.get(original, tool), names[original], entry.name, settings)
        if len(definition.description) > MAX_DESCRIPTION:
            problems.append(f"Tool {original!r}: its description is cut to {MAX_DESCRIPTION} characters.")
            definition = replace(definition, description=_cut(definition.description))
        refusal = entry.refusal(original)
        if refusal is None:
            tools.append(definition)
        else:
            denied.append(DeniedTool(definition, refusal))
    raw = tuple(sound.values())
    return Listing(
        raw=raw,
        tools=tuple(tools),
        denied=tuple(denied),
        problems=tuple(problems),
        # The canonical JSON of the whole, without spelling each tool a second time.
        content_hash=text_hash(f"[{','.join(spelled)}]"),
    )


def tool_problem(tool: Json) -> str | None:
    """Why this entry of a listing cannot be used, or `None`."""
    if not isinstance(tool, dict):
        return "it is not a JSON object"
    fields = cast("JsonObject", tool)
    name: Json = fields.get("name")
    if not isinstance(name, str) or not name:
        return "it has no name"
    problem = shape_problem(fields.get("inputSchema"), of_object=True)
    if problem is not None:
        return f"its inputSchema {problem}"
    if fields.get("outputSchema") is not None:
        problem = shape_problem(fields["outputSchema"], of_object=False)
        if problem is not None:
            return f"its outputSchema {problem}"
    if not isinstance(fields.get("description") or "", str):
        return "its description is not text"
    return None


def _spelled(tool: Json) -> tuple[str, str | None]:
    """The tool as canonical JSON, and why it cannot be used, if so."""
    problem = tool_problem(tool)
    if problem is not None:
        return "", problem
    try:
        text = canonical_json(tool)
    except RecursionError:
        return "", "it is nested too deeply"
    if len(text) > MAX_DEFINITION:
        return "", f"its definition has {len(text):,} characters, more than {MAX_DEFINITION:,}"
    return text, None


def _definition(tool: JsonObject, name: str, server: str, settings: ServerSettings) -> ToolDefinition:
    own = settings.tools.get(tool["name"], ToolSettings())
    of_server = settings.limits
    return ToolDefinition(
        name=name,
        description=tool.get("description") or "",
        input_schema=tool["inputSchema"],
        output_schema=tool.get("outputSchema"),
        annotations=_annotations(tool),
        category=own.category or settings.category,
        # How many at once and how often is counted for the server as a whole, so not merged here.
        limits=Limits(
            max_concurrency=own.max_concurrency,
            max_calls_per_minute=own.max_calls_per_minute,
            timeout_seconds=own.timeout_seconds or of_server.timeout_seconds,
            max_result_bytes=own.max_result_bytes or of_server.max_result_bytes,
        ),
        output_validation=own.output_validation or settings.output_validation,
        server=server,
        original_name=tool["name"],
        trusted=settings.trusted,
    )


def _annotations(tool: JsonObject) -> Annotations:
    given: Json = tool.get("annotations")
    hints = cast("JsonObject", given) if isinstance(given, dict) else {}
    title: Json = hints.get("title") or tool.get("title")

    def hint(key: str) -> bool | None:
        value: Json = hints.get(key)
        return value if isinstance(value, bool) else None

    return Annotations(
        title=title if isinstance(title, str) else None,
        read_only=hint("readOnlyHint"),
        destructive=hint("destructiveHint"),
        idempotent=hint("idempotentHint"),
        open_world=hint("openWorldHint"),
    )


def _cut(description: str) -> str:
    note = f"… [toolhone shows {MAX_DESCRIPTION} of {len(description)} characters]"
    return description[:MAX_DESCRIPTION] + note


def _name_of(tool: Json, index: int) -> str:
    name: Json = cast("JsonObject", tool).get("name") if isinstance(tool, dict) else None
    return f"{name!r:.80}" if isinstance(name, str) and name else f"number {index + 1}"
