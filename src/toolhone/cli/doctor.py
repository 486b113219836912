"""`toolhone doctor`: what is wrong with this installation, and how to mend it."""

import os
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from toolhone.cli.options import as_json, places, print_json, run, settings_of
from toolhone.cli.plain import harmless
from toolhone.counted import counted
from toolhone.diagnosis.findings import Finding, Health, problem
from toolhone.exceptions import ConfigurationError
from toolhone.models import JsonObject
from toolhone.redaction import redact_text

COLOURS = {Health.OK: "green", Health.WARNING: "yellow", Health.PROBLEM: "red"}


@click.command(short_help="Say what is wrong here, and how to mend it.")
@click.option(
    "--deep", is_flag=True, help="Start every downstream server, and read the whole data folder through."
)
@click.option(
    "--http",
    default="127.0.0.1:8000",
    show_default=True,
    metavar="HOST:PORT",
    help="The address to serve HTTP at, if that is planned.",
)
@places
@as_json
def doctor(
    deep: bool, http: str, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """Say what is wrong with this installation, and how to mend it.

    Nothing is changed. The modules of Python tools are imported, and with --deep servers are started, as
    `toolhone serve` does. Exit code 1 if there is a problem; warnings alone are no problem.
    """
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if not json_output:
            _print(finding)

    async def main() -> None:
        from toolhone.diagnosis.examination import Examination  # --help must not wait for the SDK
        from toolhone.server.addresses import parse_address

        try:
            settings = settings_of(config=config, registry=registry, data=data)
        except ConfigurationError as exc:
            tell(problem("settings", exc.message, "Mend them; without settings nothing can be examined."))
            return
        examination = Examination(
            settings=settings,
            environ=os.environ,
            home=Path.home(),
            project=Path.cwd(),
            address=parse_address(http, remote=True),
            now=datetime.now(UTC),
            deep=deep,
        )
        async for finding in examination.findings():
            tell(finding)

    run(main)
    counts = Counter(finding.health for finding in findings)
    if json_output:
        answer: JsonObject = {
            "findings": [_safe(finding.as_json()) for finding in findings],
            "problems": counts[Health.PROBLEM],
            "warnings": counts[Health.WARNING],
        }
        print_json(answer)
    else:
        click.echo(
            f"\n{counted(counts[Health.PROBLEM], 'problem')}, {counted(counts[Health.WARNING], 'warning')}"
        )
    sys.exit(1 if counts[Health.PROBLEM] else 0)


def _print(finding: Finding) -> None:
    health = click.style(f"{finding.health.value:<8}", fg=COLOURS[finding.health])
    click.echo(f"{health} {finding.topic:<16} {harmless(redact_text(finding.what))}")
    if finding.mend is not None:
        click.echo(f"{'':<25} mend: {harmless(finding.mend)}")


def _safe(finding: JsonObject) -> JsonObject:
    """Messages of servers and files may quote what must not be shown."""
    return {key: redact_text(value) if isinstance(value, str) else value for key, value in finding.items()}
