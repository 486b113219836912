"""docs/reference/mcp.md: the tools, resources and prompts that toolhone shows over MCP."""

from collections.abc import Iterator, Sequence

from mcp import types

from documentation.json_types import fields
from documentation.markdown import code, head, plain, table, text_of
from toolhone.models import JsonObject
from toolhone.server import definitions, finetuning_definitions, finetuning_resources, resources
from toolhone.server.mcp import permission_for
from toolhone.server.resource_permissions import permission_for_prompt, permission_for_resource

FIND = (
    "Find tools for a task. The description that an agent reads counts the tools and names the servers that "
    "are there, so it is made anew when they change."
)


def rendered() -> str:
    lines = head(
        "MCP",
        "What `toolhone serve` shows, over stdio and at `/mcp`. A caller is listed what its role and token "
        "allow; [permissions](../permissions.md) has the table.",
    )
    lines += ["", "## Tools"]
    for tool in (*definitions.listing(()), *finetuning_definitions.finetuning_listing()):
        lines += _tool(tool)
    lines += ["", "## Resources"]
    fixed = [*resources.listing(), *finetuning_resources.listing()]
    templates = [*resources.templates(), *finetuning_resources.templates()]
    addresses = [
        *((one.uri, one.mime_type, one.description) for one in fixed),
        *((one.uri_template, one.mime_type, one.description) for one in templates),
    ]
    lines += table(
        ("address", "takes", "type", ""),
        [
            (code(address), code(permission_for_resource(address)), code(kind or ""), plain(text or ""))
            for address, kind, text in addresses
        ],
    )
    lines += ["", "## Prompts"]
    prompts = (*resources.prompts(), *finetuning_resources.prompts())
    rows = [
        (
            code(one.name),
            code(permission_for_prompt(one.name)),
            ", ".join(_arguments(one)),
            plain(one.description or ""),
        )
        for one in prompts
    ]
    return text_of([*lines, *table(("name", "takes", "arguments", ""), rows)])


def _tool(tool: types.Tool) -> list[str]:
    hints = tool.annotations
    told = [f"Takes the permission `{permission_for(tool.name)}`."]
    if hints is not None and hints.read_only_hint:
        told.append("Read-only.")
    text = FIND if tool.name == "find_tools" else tool.description or ""
    lines = ["", f"### {tool.name}", "", f"{plain(text)} {' '.join(told)}"]
    lines += table(("argument", "", "default", ""), list(_rows(tool.input_schema)))
    answered: JsonObject = tool.output_schema or {}
    if names := [*answered.get("properties", {})]:
        needed = set(answered.get("required", ()))
        always = ", ".join(code(name) for name in names if name in needed)
        sometimes = ", ".join(code(name) for name in names if name not in needed)
        lines += [
            "",
            f"Answers {always}{'; where there is something to say ' if sometimes else ''}{sometimes}.",
        ]
    return lines


def _rows(schema: JsonObject, before: str = "") -> Iterator[Sequence[str]]:
    """The arguments; those of objects in a list beneath it, with the list's name before theirs."""
    properties: dict[str, JsonObject] = schema.get("properties", {})
    for (name, kind, needed, text), field in zip(fields(schema), properties.values(), strict=True):
        yield (f"`{before}{name[1:]}", kind, needed, plain(text))
        items: JsonObject = field.get("items", {})
        if "properties" in items:
            yield from _rows(items, f"{name[1:-1]}[].")
        elif "properties" in field:
            yield from _rows(field, f"{name[1:-1]}.")


def _arguments(prompt: types.Prompt) -> Iterator[str]:
    for argument in prompt.arguments or ():
        yield f"`{argument.name}`{'' if argument.required else ' (optional)'}"
