"""Every command that a page tells is one that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from jinja2 import nodes

from toolhone.cli import toolhone
from toolhone.server.dashboard.layout import templates

TOLD = re.compile(r"<code>(?:\w+=\S+ )?(toolhone [^<]*)</code>")
EXPRESSION = re.compile(r"\{\{.*?\}\}")


def _commands() -> Iterator[tuple[str, str]]:
    """Each command with its template: in `<code>`, and as the second argument of the macro `empty`."""
    environment = templates()
    for name in environment.list_templates(filter_func=lambda one: one.endswith(".html")):
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, name)
        for found in TOLD.finditer(EXPRESSION.sub("core_security", source)):
            yield name, found[1]
        for call in environment.parse(source).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "empty" and len(call.args) > 1:
                yield from ((name, text) for text in _texts(call.args[1]) if text)


def _texts(expression: nodes.Expr) -> Iterator[str]:
    """What an expression may be, with a category for each name; nothing if it has no words of ours."""
    if isinstance(expression, nodes.Const):
        yield str(expression.value)
    elif isinstance(expression, nodes.Concat):
        parts = [
            node.value if isinstance(node, nodes.Const) else "core_security" for node in expression.nodes
        ]
        yield "".join(map(str, parts))
    elif isinstance(expression, nodes.CondExpr):
        yield from _texts(expression.expr1)
        if expression.expr2 is not None:
            yield from _texts(expression.expr2)


COMMANDS = sorted(set(_commands()))


def test_commands_are_told() -> None:
    assert len(COMMANDS) >= 20
    assert all("toolhone" in command for _, command in COMMANDS)


@pytest.mark.parametrize(("template", "told"), COMMANDS)
def test_a_command_on_a_page_is_one_that_works(
    template: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mcp.json").touch()
    Path("tool_registry").mkdir()
    words = shlex.split(told.replace("CATEGORY", "core_security"))
    words = words[words.index("toolhone") + 1 :]

    command: click.Command = toolhone
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{template}: there is no command {name!r}"
        command = found
    if told == "toolhone restore":  # the name of a command, not a line to type
        return
    with command.make_context(command.name, words):
        pass  # every option and its value is known
