"""`--help` of every command says what there is."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import click
import pytest

from toolhone.cli import toolhone
from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]


def commands(group: click.Group = toolhone, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


COMMANDS = dict(commands())
EVERY_COMMAND = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


@EVERY_COMMAND
def test_help_names_every_option_argument_and_variable(run: Run, path: tuple[str, ...]) -> None:
    shown = run(*path, "--help")

    assert (shown.exit_code, shown.stderr) == (0, "")
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} has no help"
            assert all(name in shown.stdout for name in parameter.opts)
            assert not parameter.envvar or str(parameter.envvar) in shown.stdout
        else:
            assert str(parameter.metavar or parameter.name).upper() in shown.stdout.upper()
    assert max(map(len, shown.stdout.splitlines())) <= 80


@EVERY_COMMAND
def test_the_list_of_commands_cuts_nothing_off(run: Run, path: tuple[str, ...]) -> None:
    listing = run(*path[:-1], "--help").stdout
    line = re.search(rf"^  {path[-1]} +(.+)$", listing, re.MULTILINE)

    assert line
    assert line[1].endswith(".") and not line[1].endswith("...")


def test_the_users_folders_are_named(run: Run, home: Path) -> None:
    shown = run("--help").stdout.replace("\n", "").replace(" ", "")

    assert f"{home}/config/toolhone" in shown
    assert f"{home}/data/toolhone" in shown


def test_a_word_that_is_no_command_is_a_usage_error(run: Run) -> None:
    outcome = run("fidn", "weather")

    assert outcome.exit_code == 2
    assert "fidn" in outcome.stderr


def test_the_version_is_printed(run: Run) -> None:
    assert re.fullmatch(r"toolhone, version \d+\.\d+\.\d+\S*\n", run("--version").stdout)
