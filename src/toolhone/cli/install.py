"""`toolhone install`: toolhone in the file of a host, and out of it again."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from toolhone.cli.config import entry_for, entry_options, note_about_bridge
from toolhone.cli.options import as_json, note, places, print_json, settings_of
from toolhone.cli.plain import harmless
from toolhone.hosts.changes import Journal, make, undo_last
from toolhone.hosts.difference import difference
from toolhone.hosts.installing import Installation, plan_installation, plan_removal
from toolhone.hosts.known import HOSTS, Host, project_file, user_file
from toolhone.models import JsonObject
from toolhone.settings import config_folder


@dataclass(frozen=True, slots=True)
class _Told:
    """What was done or would be, for people or machines."""

    host: Host
    file: Path
    plan: Installation
    differences: tuple[str, ...]
    journal: Journal | None
    json: bool

    def tell(self) -> None:
        backups = [note.backup for note in self.journal.files if note.backup] if self.journal else []
        if self.json:
            print_json(
                {
                    "client": self.host.name,
                    "file": str(self.file),
                    "changed": [str(change.file) for change in self.plan.changes] if self.journal else [],
                    "would_change": [str(change.file) for change in self.plan.changes],
                    "backups": [str(backup) for backup in backups],
                    "adopted": list(self.plan.adopted),
                    "left": dict(self.plan.left),
                    "difference": "\n".join(self.differences),
                }
            )
            return
        for shown in self.differences:
            click.echo(harmless(shown))
        for name, why in self.plan.left.items():
            note(f"{name} stays with {self.host.title}: {why}")
        if (own := self.plan.own) is not None:
            if not self.plan.adopted and not self.plan.left:
                note(f"{self.host.title} has no other server in {self.file}, so there was none to adopt.")
            if not own.count:
                note(f"No server stands behind toolhone yet: name them in {own.file}")
        if not self.plan.changes:
            click.echo(f"{self.file} is as it should be; nothing was changed.")
        elif self.journal is None:
            click.echo("\nNothing was written. Leave out --dry-run to do it.")
        else:
            for backup in backups:
                click.echo(f"\nBackup: {backup}")
            if self.plan.adopted:
                click.echo(f"Behind toolhone now: {', '.join(self.plan.adopted)}.")
            click.echo(self.host.afterwards)
            click.echo(f"To take it back: toolhone install --client {self.host.name} --undo")


@click.command(short_help="Put toolhone into a host's configuration file.")
@click.option(
    "--client", "client", required=True, type=click.Choice(list(HOSTS)), help="The host to put it into."
)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The host's file, if it is not where the host keeps it for this user.",
)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A project's folder: its own file is changed, not the user's.",
)
@click.option(
    "--adopt", is_flag=True, help="Move the host's other servers behind toolhone, into its mcp.json."
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--undo", is_flag=True, help="Give the files back as they were before the last change.")
@click.option("--remove", is_flag=True, help="Take toolhone's entry out and leave everything else.")
@entry_options
@places
@as_json
def install(
    client: str,
    file: Path | None,
    project: Path | None,
    adopt: bool,
    dry_run: bool,
    undo: bool,
    remove: bool,
    http: str | None,
    token_variable: str | None,
    role: str | None,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Put toolhone into a host's configuration file, with a backup beside it.

    Everything else in the file stays as it is, comments too. What changes is shown; texts under `env` and
    `headers` are not. An entry that is there keeps its arguments unless options name others.
    """
    _check(file, project, adopt, undo, remove, http)
    host = HOSTS[client]
    target = _target(host, file, project)
    if undo:
        _undo(host, target, dry_run, json_output)
        return
    if remove:
        plan = plan_removal(host, target)
    else:
        given = (http, token_variable, role, config, registry, data)
        plan = plan_installation(
            host,
            target,
            entry_for(host, http, token_variable, role, config, registry, data),
            keep_arguments=all(value is None for value in given),
            adopt_into=_own_servers_file(config) if adopt else None,
            environ=os.environ,
        )
        if http is not None and not json_output:
            note_about_bridge(host)
    differences = tuple(
        difference(str(change.file), _text(change.before), _text(change.after)) for change in plan.changes
    )
    journal = None
    if plan.changes and not dry_run:
        journal = make(plan.changes, journals=_journals(), host=host.name, now=datetime.now(UTC))
    _Told(host, target, plan, differences, journal, json_output).tell()


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8-sig")


def _check(
    file: Path | None, project: Path | None, adopt: bool, undo: bool, remove: bool, http: str | None
) -> None:
    """Refuse options that do not go together."""
    if file is not None and project is not None:
        raise click.UsageError("Give --file or --project, not both.")
    if undo + remove + adopt > 1:
        raise click.UsageError("Give one of --adopt, --undo and --remove.")
    if adopt and http is not None:
        raise click.UsageError("--adopt is for a toolhone that the host starts; leave out --http.")


def _target(host: Host, file: Path | None, project: Path | None) -> Path:
    """The host's file, with links followed, so that a link stays a link."""
    if file is not None:
        return file.resolve()
    if project is not None:
        return project_file(host, project).resolve()
    return user_file(host, os.environ, Path.home()).resolve()


def _own_servers_file(config: Path | None) -> Path:
    """The file that toolhone reads its servers from, perhaps not there yet; links are followed."""
    return (settings_of(config=config).config or config_folder() / "mcp.json").resolve()


def _journals() -> Path:
    return config_folder() / "installs"


def _undo(host: Host, file: Path, dry_run: bool, json_output: bool) -> None:
    if dry_run:
        raise click.UsageError("--undo gives back what the backup holds; --dry-run shows nothing for it.")
    journal = undo_last(journals=_journals(), host=host.name, file=file)
    restored: list[str] = [str(noted.file) for noted in journal.files]
    if json_output:
        answer: JsonObject = {"client": host.name, "restored": [*restored]}
        print_json(answer)
        return
    for path in restored:
        click.echo(f"{path} is as it was before {journal.at}.")
