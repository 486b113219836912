"""`toolhone models`: models that trainings made, how they compare, and which of them aliases stand for."""

from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import click

from toolhone.cli.options import (
    CATEGORIES,
    as_json,
    category_argument,
    category_option,
    coloured,
    console,
    data_option,
    finetuning,
    note,
    print_json,
    run,
    settings_of,
    table,
)
from toolhone.cli.permitting import local_caller
from toolhone.cli.plain import first_line, harmless
from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_object
from toolhone.models import Category, Json
from toolhone.work_answers import alias_json, model_json

if TYPE_CHECKING:
    from rich.text import Text

    from toolhone.records.jobs import AliasChange, ModelRecord
    from toolhone.training.model_comparison import Compared, ModelComparison

COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow"}


@click.group(short_help="Tuned models: list, compare, choose what is used, roll back.")
def models() -> None:
    """Models that trainings made, judged on answers to held-out requests.

    An alias of a category, such as "production", stands for the model in use. It can stand for a model that
    passed its gate; for another only with a reason, which is recorded.
    """


@models.command("list", short_help="List the models.")
@category_option
@data_option
@as_json
def list_models(category: str | None, data: Path | None, json_output: bool) -> None:
    """List the models that trainings made, the newest first, and what aliases stand for them."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            chosen = Category(category) if category else None
            found = await system.models(chosen, caller=local_caller(settings))
            aliases = await system.aliases(chosen, caller=local_caller(settings))
        if json_output:
            print_json([model_json(model) for model in found])
        elif not found:
            click.echo("No training has made a model yet.", err=True)
        else:
            _list(found, aliases)

    run(main)


@models.command(short_help="Show a model and its verdict.")
@click.argument("model")
@data_option
@as_json
def show(model: str, data: Path | None, json_output: bool) -> None:
    """Show where MODEL comes from, how its gate decided and why."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            found = await system.model(model, caller=local_caller(settings))
            aliases = await system.aliases(caller=local_caller(settings))
        if json_output:
            print_json(model_json(found))
        else:
            _show(found, [one for one in aliases if one.model_id == model])

    run(main)


@models.command(short_help="Let two models answer the same held-out requests.")
@click.argument("a")
@click.argument("b")
@click.option(
    "--dataset", metavar="ID", help="Whose test rows.  [default: the one that B or A was judged by]"
)
@click.option(
    "--category",
    type=click.Choice(CATEGORIES),
    metavar="CATEGORY",
    help="Whose newest dataset, if neither model was trained here.",
)
@click.option("--scorer", metavar="NAME", help="How answers are scored.  [default: as suits the rows]")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write a page with plots and examples.",
)
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@data_option
@as_json
def compare(
    a: str,
    b: str,
    dataset: str | None,
    category: str | None,
    scorer: str | None,
    report: Path | None,
    yes: bool,
    data: Path | None,
    json_output: bool,
) -> None:
    """Compare model A, what is there, with model B, what might take its place.

    Each is the id of a model, CATEGORY/ALIAS, or a base model as PROVIDER:NAME, such as
    local:/path/of/a/model. Both answer the same held-out rows. Asking a paid provider costs money: you are
    told how much at most before it begins, and it has to fit into the budget of the category.
    """
    if report is not None and not report.absolute().parent.is_dir():
        # Before anybody is asked and paid.
        raise InvalidRequestError(f"There is no folder {str(report.parent)!r} to write the report to.")
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            chosen = Category(category) if category else None
            most = await system.comparison_usd(
                a, b, dataset_id=dataset, category=chosen, scorer=scorer, caller=local_caller(settings)
            )
            if most > 0 and not yes:
                click.confirm(f"This may cost up to ${most:,.4f}. Go on?", abort=True, err=True)
            comparison = await system.compare(
                a,
                b,
                dataset_id=dataset,
                category=chosen,
                scorer=scorer,
                at_most_usd=most,
                caller=local_caller(settings),
            )
        if json_output:
            print_json(comparison.as_json())
        else:
            _compared(comparison)
        if report is not None:
            await anyio.to_thread.run_sync(_write_report, comparison, report)
            click.echo(f"The report is in {report}.", err=True)

    run(main)


@models.command(short_help="Let an alias stand for a model.")
@category_argument
@click.argument("alias")
@click.argument("model")
@click.option(
    "--override", metavar="REASON", help="Why a model is used that did not pass its gate; recorded."
)
@data_option
@as_json
def alias(
    category: str, alias: str, model: str, override: str | None, data: Path | None, json_output: bool
) -> None:
    """Let ALIAS of CATEGORY stand for MODEL, if it passed its gate."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            change = await system.set_alias(
                Category(category), alias, model, override=override, caller=local_caller(settings)
            )
        _changed(change, json_output=json_output)

    run(main)


@models.command(short_help="List what aliases stand for.")
@category_option
@data_option
@as_json
def aliases(category: str | None, data: Path | None, json_output: bool) -> None:
    """List what each alias stands for, since when and why."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            found = await system.aliases(
                Category(category) if category else None, caller=local_caller(settings)
            )
        if json_output:
            print_json([alias_json(change) for change in found])
        elif not found:
            click.echo("No alias was set yet: every category uses its base model.", err=True)
        else:
            rows: list[list[str | Text]] = [
                [
                    f"{one.category.value}/{one.alias}",
                    harmless(one.model_id or "(base model)"),
                    _moment(one.at),
                    harmless(one.by),
                    coloured(first_line(one.why), "yellow") if one.override else first_line(one.why),
                ]
                for one in found
            ]
            headings = ["alias", "model", "since (UTC)", "by", "why"]
            console().print(table(headings, rows, shorten=["why", "since (UTC)", "by", "model"]))

    run(main)


@models.command(short_help="Let an alias stand for what it stood for before.")
@category_argument
@click.argument("alias")
@data_option
@as_json
def rollback(category: str, alias: str, data: Path | None, json_output: bool) -> None:
    """Let ALIAS of CATEGORY stand for what it stood for before; again, for what was before that."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            change = await system.rollback_alias(Category(category), alias, caller=local_caller(settings))
        _changed(change, json_output=json_output)

    run(main)


def _list(found: "list[ModelRecord]", aliases: "list[AliasChange]") -> None:
    rows: list[list[str | Text]] = []
    for model in found:
        decision = "not to be used" if model.tainted else str(model.verdict.get("decision", ""))
        names = sorted(one.alias for one in aliases if one.model_id == model.model_id)
        rows.append(
            [
                harmless(model.model_id),
                model.category.value,
                coloured(decision, "red" if model.tainted else COLOURS.get(decision, "")),
                _score(model.verdict.get("tuned_score")),
                _score(model.verdict.get("base_score")),
                ", ".join(names),
                harmless(model.base_model),
                _moment(model.created_at),
            ]
        )
    headings = ["model", "category", "gate", "score", "base", "aliases", "base model", "made (UTC)"]
    console().print(table(headings, rows, shorten=["base model", "made (UTC)", "model"]))


def _show(model: "ModelRecord", aliases: "list[AliasChange]") -> None:
    facts = {
        "model": model.model_id,
        "category": model.category.value,
        "provider": model.provider.value,
        "base model": model.base_model,
        "made (UTC)": _moment(model.created_at),
        "job": model.job_id,
        "dataset": model.dataset_id,
        "hash": model.artifact_hash,
        "folder": model.path or "",
        "aliases": ", ".join(f"{one.category.value}/{one.alias}" for one in aliases),
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<11} {harmless(value)}")
    verdict = model.verdict
    click.echo(f"{'gate':<11} {harmless(str(verdict.get('decision', 'not judged')))}")
    if verdict.get("why"):
        click.echo(f"{'':<11} {harmless(str(verdict['why']))}")
    by_task_type: Json = verdict.get("by_task_type")
    if by_task_type:
        rows = [
            [harmless(name), str(one["n"]), _number(one["tuned"]), _number(one["base"])]
            for name, one in by_task_type.items()
        ]
        out = console()
        out.print()
        out.print(table(["task type", "rows", "score", "base"], rows, shorten=["task type"]))
    for warning in verdict.get("warnings", ()):
        note(warning)
    if model.tainted is not None:
        note(f"It is not to be used any more: {model.tainted}")


def _compared(comparison: "ModelComparison") -> None:
    click.echo(harmless(comparison.conclusion))
    click.echo(harmless(f"Scored by {comparison.scorer}. {comparison.scorer_why}"))
    rows = [_line("all", comparison.overall)]
    if len(comparison.by_task_type) > 1:
        rows += [_line(harmless(name), one) for name, one in comparison.by_task_type.items()]
    headings = ["task type", "rows", "A", "B", "B - A, 95 %", "p", "A ms", "B ms", "A USD", "B USD"]
    out = console()
    out.print()
    out.print(table(headings, rows, shorten=["task type"]))
    out.print("scores 0 to 1, differences in points; ms: median of a turn", style="dim")
    for one in comparison.notes:
        note(one)


def _line(name: str, one: "Compared") -> "list[str | Text]":
    difference = one.paired.difference
    low, mean, high = (f"{100 * value:+.1f}" for value in (difference.low, difference.mean, difference.high))
    points = f"{mean} ({low} to {high})"
    better, worse = one.paired.surely_better, one.paired.surely_worse
    return [
        name,
        str(one.n),
        _number(one.a.score.mean),
        _number(one.b.score.mean),
        coloured(points, "green" if better else "red") if better or worse else points,
        one.paired.p_text.removeprefix("p ").removeprefix("= "),
        *("" if side.latency_p50_ms is None else f"{side.latency_p50_ms:.0f}" for side in (one.a, one.b)),
        *(f"{side.cost_usd:.4f}" if side.cost_usd else "0" for side in (one.a, one.b)),
    ]


def _changed(change: "AliasChange", *, json_output: bool) -> None:
    if json_output:
        print_json(alias_json(change))
        return
    stands_for = change.model_id or "the base model"
    click.echo(harmless(f"{change.category.value}/{change.alias} stands for {stands_for} from now on."))
    if change.override:
        note(f"It is used against its gate. The reason is recorded: {change.why}")


def _write_report(comparison: "ModelComparison", path: Path) -> None:
    from toolhone.training.comparison_report import html_report  # only who wants one pays for it

    try:
        path.write_text(html_report(comparison), encoding="utf-8")
    except OSError as exc:
        raise InvalidRequestError(
            f"The report cannot be written to {str(path)!r}: {exc.strerror or exc}. Name another file."
        ) from exc


def _score(interval: Json) -> str:
    return _number(interval["mean"]) if is_object(interval) else ""


def _number(score: float) -> str:
    return f"{score:.2f}"


def _moment(at: str) -> str:
    return at[:16].replace("T", " ")
