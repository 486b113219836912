"""`toolhone registry`: check tool files."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from toolhone.cli.options import as_json, print_json


@click.group()
def registry() -> None:
    """Tool files: check them, print their schema."""


@registry.command()
@click.argument(
    "folder", default="tool_registry", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@as_json
def check(folder: Path, json_output: bool) -> None:
    """Check every tool file in FOLDER; each problem names its file and field."""
    from toolhone.registry.files import check_folder

    problems = check_folder(folder, os.environ)
    if json_output:
        print_json([{**asdict(problem), "file": str(problem.file)} for problem in problems])
    else:
        for problem in problems:
            click.echo(f"{problem.file}: {problem.field or '/'}: {problem.message}")
        count = len(list(folder.glob("*.json")))
        click.echo(f"{count} files, {len(problems)} problems", err=True)
    sys.exit(1 if problems else 0)


@registry.command()
def schema() -> None:
    """Print the JSON Schema of a tool file."""
    from toolhone.registry.schema import tool_file_schema

    print_json(tool_file_schema())
