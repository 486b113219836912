"""`toolhone selector train`, `export`, `use` and `encoders`: the encoder that finds tools."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolhone.cli.options import (
    as_json,
    console,
    data_option,
    note,
    places,
    print_json,
    run,
    running,
    settings_of,
    table,
)
from toolhone.cli.permitting import permitted
from toolhone.cli.progress import progress_bar
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject, ToolDefinition
from toolhone.roles import Permission
from toolhone.selection.active import (
    DEFAULT,
    Reason,
    active_encoder,
    choices,
    encoder_folder,
    known_encoders,
    use_encoder,
)

if TYPE_CHECKING:
    from toolhone.selection.evidence import Lesson
    from toolhone.settings import Settings
    from toolhone.training.export import Exported
    from toolhone.training.retraining import Retrained

folder_of_model = click.Path(exists=True, file_okay=False, path_type=Path)

RESTART = (
    "Servers that run already use the one they started with. What was learned from use belongs to an "
    "encoder; teach this one with: toolhone selector learn."
)


@click.command(short_help="Train the encoder on recorded use.")
@click.option("--name", metavar="NAME", help="What to call the new encoder.  [default: trained-TIME]")
@click.option(
    "--base",
    type=folder_of_model,
    help="Start from the sentence-transformers model in this folder.  [default: the encoder in use]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Passes over the recorded tasks.",
)
@click.option("--keep-current", is_flag=True, help="Train and judge, but do not switch to it if it passes.")
@places
@as_json
def train(
    name: str | None,
    base: Path | None,
    epochs: int,
    keep_current: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Train the encoder on the tasks of the audit log and the tools that served them.

    The new encoder is judged on later requests, and on requests for tools that were kept
    from its training. It is used from then on only if it finds more than the one in use
    and no tool loses by it. Needs toolhone[train]; takes minutes to hours of CPU time.
    """
    from toolhone.training.sources import required

    for module in ("torch", "transformers", "onnx", "onnxscript"):
        required(module)
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.TRAIN)
    name = name or f"trained-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if encoder_folder(settings.data, name).exists():
        raise InvalidRequestError(f"There is an encoder {name!r} already. Choose another --name.")
    lessons, definitions = _recorded(settings)
    retrained = _retrained(settings, lessons, definitions, name=name, base=base, epochs=epochs)
    promoted = retrained.verdict.promoted and not keep_current
    if promoted:
        use_encoder(settings.data, name, retrained.sha256, Reason.PROMOTED)
    if json_output:
        print_json(
            {
                **_exported_json(retrained.exported, name),
                "sha256": retrained.sha256,
                "verdict": retrained.verdict.as_json(),
                "loss": {"first": retrained.losses[0], "last": retrained.losses[1]},
                "promoted": promoted,
            }
        )
    else:
        _say(retrained, name, promoted=promoted)


@click.command(short_help="Make any sentence-transformers model usable.")
@click.argument("model_folder", type=folder_of_model)
@click.option("--name", metavar="NAME", required=True, help="What to call the encoder.")
@data_option
@as_json
def export(model_folder: Path, name: str, data: Path | None, json_output: bool) -> None:
    """Export the sentence-transformers model in MODEL_FOLDER as an encoder that runs without torch.

    Its weights become int8, and its vectors are checked against the original's. The model
    must pool by the mean. Use it with: toolhone selector use NAME. Needs toolhone[train].
    """
    from toolhone.training.export import export_bundle
    from toolhone.training.sources import read_parts

    folder = encoder_folder(permitted(settings_of(data=data), Permission.TRAIN).data, name)
    with progress_bar() as say:
        say("Reading the model", 0, 0)
        parts = read_parts(model_folder)
        say("Exporting and checking", 0, 0)
        exported = export_bundle(parts, folder, name=name, base=model_folder.resolve().name)
    if json_output:
        print_json(_exported_json(exported, name))
        return
    check = exported.check
    click.echo(f"Exported {name} ({exported.size / 1e6:.1f} MB) to {exported.folder}")
    click.echo(
        f"Against the original, over {check.texts} texts: least cosine {check.least_cosine:.4f}, "
        f"same neighbours {check.agreement:.0%}"
    )
    click.echo(f"Use it: toolhone selector use {name}")


@click.command(short_help="Switch to another encoder.")
@click.argument("name")
@data_option
@as_json
def use(name: str, data: Path | None, json_output: bool) -> None:
    """Use the encoder NAME from the next start on; "default" is the one that comes with toolhone.

    Its files are checked first. Tools are encoded anew when a server starts with it, and a
    ranking that was learned with another encoder is not used with this one.
    """
    folder_of_data = permitted(settings_of(data=data), Permission.PROMOTE).data
    sha256 = None
    if name != DEFAULT:
        from toolhone.selection.bundle import load_bundle

        known = {encoder.name: encoder for encoder in known_encoders(folder_of_data)}
        if name not in known:
            raise InvalidRequestError(
                f"There is no encoder {name!r}. There are: {', '.join([DEFAULT, *known])}. "
                "Make one with: toolhone selector train, or: toolhone selector export FOLDER --name NAME."
            )
        sha256 = known[name].sha256
        load_bundle(encoder_folder(folder_of_data, name), sha256=sha256)
    choice = use_encoder(folder_of_data, name, sha256, Reason.CHOSEN)
    if json_output:
        print_json(choice.model_dump(mode="json"))
    else:
        click.echo(f"{name} is used from now on. {RESTART}")


@click.command(short_help="List the encoders and which is used.")
@data_option
@as_json
def encoders(data: Path | None, json_output: bool) -> None:
    """List the encoders of the data folder, and when each was switched to."""
    folder = permitted(settings_of(data=data), Permission.MONITOR).data
    active, known, history = active_encoder(folder), known_encoders(folder), choices(folder)
    if json_output:
        print_json(
            {
                "active": DEFAULT if active is None else active[0].name,
                "encoders": [encoder.as_json() for encoder in known],
                "history": [choice.model_dump(mode="json") for choice in history],
            }
        )
        return
    rows = [["yes" if active is None else "", DEFAULT, "", "", "comes with toolhone"]]
    rows += [
        [
            "yes" if encoder.active else "",
            encoder.name,
            f"{encoder.size / 1e6:.0f}",
            encoder.created[:10],
            _judgement(encoder.verdict) or f"exported from {encoder.base}",
        ]
        for encoder in known
    ]
    headings = ["used", "encoder", "MB", "made", "what it is"]
    console().print(table(headings, rows, shorten=["what it is", "encoder"]))
    for choice in history[-3:]:
        click.echo(f"{choice.at[:16].replace('T', ' ')} {choice.name} was {choice.reason.value}")


def _recorded(settings: "Settings") -> tuple[list["Lesson"], Sequence[ToolDefinition]]:
    """What the log teaches, and the tools there are."""
    from toolhone.selection.lessons import read_lessons

    if not (settings.data / "audit.db").exists():
        raise InvalidRequestError(
            f"There is no audit log in {str(settings.data)!r}, so there is nothing to learn from. "
            "Let an agent work with toolhone first."
        )
    found: list[tuple[list[Lesson], Sequence[ToolDefinition]]] = []

    async def main() -> None:
        async with running(settings) as app:
            gateway = await app.gateway()
            await app.listed()
            lessons = await read_lessons(app.audit.query)
            found.append((lessons, gateway.catalog.tools()))
            for notice in app.notices():
                note(notice)

    run(main)
    return found[0]


def _retrained(
    settings: "Settings",
    lessons: "Sequence[Lesson]",
    definitions: Sequence[ToolDefinition],
    *,
    name: str,
    base: Path | None,
    epochs: int,
) -> "Retrained":
    from toolhone.assembly import scoring_weights
    from toolhone.selection.bundle import DEFAULT_FOLDER, DEFAULT_SHA256, load_bundle
    from toolhone.training.recorded import divided
    from toolhone.training.retraining import RECIPE, manifest_of, retrain

    active = active_encoder(settings.data)
    current, sha256 = active or (DEFAULT_FOLDER, DEFAULT_SHA256)
    load_bundle(current, sha256=sha256)
    about: JsonObject = manifest_of(current).get("training") or {}
    recorded = divided(
        lessons,
        definitions,
        since=str(about.get("until", "")),
        kept_before=tuple(about.get("kept_tools", ())),
    )
    with progress_bar() as say:
        return retrain(
            recorded,
            encoder_folder(settings.data, name),
            name=name,
            current=current,
            start=base,
            recipe=replace(RECIPE, epochs=epochs),
            weights=scoring_weights(settings),
            progress=say,
        )


def _exported_json(exported: "Exported", name: str) -> JsonObject:
    return {
        "name": name,
        "folder": str(exported.folder),
        "sha256": exported.sha256,
        "size": exported.size,
        "check": asdict(exported.check),
    }


def _say(retrained: "Retrained", name: str, *, promoted: bool) -> None:
    verdict, (first, last) = retrained.verdict, retrained.losses
    click.echo(f"Trained {name} (loss {first:.2f} → {last:.2f}) in {retrained.exported.folder}")
    if verdict.recall is not None:
        click.echo(
            f"Judged on {verdict.requests} later requests, of which the encoder in use finds "
            f"{verdict.current_recall:.1%} (nDCG@5 {verdict.current_ndcg:.1%}), "
            f"and on {verdict.cold_requests} for tools kept from the training"
        )
    click.echo(f"{verdict.decision.value}: {verdict.why}")
    if promoted:
        click.echo(f"{name} is used from now on. {RESTART}")
    elif verdict.promoted:
        click.echo(f"Use it: toolhone selector use {name}")
    else:
        click.echo("The encoder in use stays.")


def _judgement(verdict: JsonObject | None) -> str:
    return f"{verdict.get('decision')}: {verdict.get('why')}" if verdict else ""
