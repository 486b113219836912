"""docs/reference/commands.md: every command with its arguments and options, as click knows them."""

from collections.abc import Iterator

import click

from documentation.markdown import block, head, paragraphs, plain, table, text_of
from toolhone.cli import toolhone

HELP = "--help"


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it, groups before what is in them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def rendered() -> str:
    lines = head(
        "Commands",
        "`toolhone COMMAND --help` says the same. An option beats its environment variable, which beats "
        "`settings.toml`. Errors end with exit code 1 and one line on stderr, misuse with 2.",
    )
    for path, command in commands(toolhone):
        name = " ".join(("toolhone", *path))
        context = click.Context(command, info_name=name)
        lines += ["", f"{'#' * (1 + len(path))} {name}"]
        lines += block("text", context.command.get_usage(context).removeprefix("Usage: "))
        lines += paragraphs((command.help or "").replace("\b", ""))
        options = [parameter for parameter in command.get_params(context) if HELP not in parameter.opts]
        records = (parameter.get_help_record(context) for parameter in options)
        rows = [(f"`{option}`", plain(text)) for option, text in filter(None, records)]
        lines += table(("option", ""), rows)
    return text_of(lines)
