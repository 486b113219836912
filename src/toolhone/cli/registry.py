"""`toolhone registry`: check tool files."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from toolhone.cli.options import as_json, print_json, settings_of
from toolhone.counted import counted
from toolhone.exceptions import ConfigurationError
from toolhone.settings import config_folder

HERE = Path("tool_registry")


@click.group(short_help="Check tool files, print their schema.")
def registry() -> None:
    """Tool files: check them, print their schema."""


@registry.command(short_help="Check every tool file of a folder.")
@click.argument(
    "folder",
    required=False,
    envvar="TOOLHONE_REGISTRY",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@as_json
def check(folder: Path | None, json_output: bool) -> None:
    """Check every tool file in FOLDER; each problem names its file and field.

    Without FOLDER: the one that TOOLHONE_REGISTRY names, else tool_registry here, else the user's.
    The modules of Python tools are imported, so check only what you would run.
    Exit code 1 if there is a problem.
    """
    from toolhone.registry.files import check_folder

    folder = folder or (HERE if HERE.is_dir() else settings_of().registry)
    if folder is None:
        raise ConfigurationError(
            f"There is no tool registry: neither {str(HERE)!r} here nor {str(config_folder() / HERE)!r}. "
            "Name a folder."
        )
    problems = check_folder(folder, os.environ)
    if json_output:
        print_json([{**asdict(problem), "file": str(problem.file)} for problem in problems])
    else:
        for problem in problems:
            click.echo(f"{problem.file}: {problem.field or '/'}: {problem.message}")
    count = len(list(folder.glob("*.json")))
    click.echo(f"{folder}: {counted(count, 'file')}, {counted(len(problems), 'problem')}", err=True)
    sys.exit(1 if problems else 0)


@registry.command(short_help="Print the JSON Schema of a tool file.")
def schema() -> None:
    """Print the JSON Schema of a tool file."""
    from toolhone.registry.schema import tool_file_schema

    print_json(tool_file_schema())
