"""The options of a training, and the configuration that they say."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from toolhone.cli.options import CATEGORIES
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider

Command = TypeVar("Command", bound=Callable[..., Any])


def training_options(command: Command) -> Command:
    """The fields of FinetuningConfig; what is not given keeps its default there."""
    options = [
        click.option(
            "--category",
            type=click.Choice(CATEGORIES),
            metavar="CATEGORY",
            help=f"One of: {', '.join(CATEGORIES)}.",
        ),
        click.option(
            "--provider",
            type=click.Choice([provider.value for provider in FinetuningProvider]),
            help="Who trains.  [default: local]",
        ),
        click.option("--base-model", metavar="NAME", help="A name the provider knows, or a folder."),
        click.option("--epochs", "n_epochs", type=int, help="1 to 50.  [default: 3]"),
        click.option("--batch-size", type=int, help="1 to 256.  [default: 32]"),
        click.option("--learning-rate", type=float, help="Between 0 and 1.  [default: 0.0001]"),
        click.option("--min-samples", "min_training_samples", type=int, help="10 or more.  [default: 100]"),
        click.option(
            "--min-accuracy",
            "min_validation_accuracy",
            type=float,
            help="What held-out answers must score, 0 to 1.  [default: 0.85]",
        ),
        click.option("--max-cost", "max_training_cost_usd", type=float, metavar="USD", help="[default: 100]"),
        click.option("--max-hours", "max_training_hours", type=float, help="Up to 168.  [default: 24]"),
        click.option("--model-version", metavar="VERSION", help="[default: 1.0.0]"),
        click.option("--description", metavar="TEXT", help="For people."),
        click.option("--tag", "tags", metavar="TAG", multiple=True, help="May be given again."),
        click.option("--scorer", metavar="NAME", help="How held-out answers are scored."),
        click.option("--seed", type=int, help="[default: 0]"),
        click.option("--dataset", "dataset_id", metavar="ID", help="[default: the category's newest]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def config_of(options: dict[str, Json]) -> FinetuningConfig:
    """The configuration that the options say.

    Raises:
        InvalidRequestError: A value is not valid; the message names it.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "category" not in given:
        raise InvalidRequestError(f"Name a --category: {', '.join(CATEGORIES)}.")
    try:
        return FinetuningConfig.model_validate(given)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()
        )
        raise InvalidRequestError(f"The options do not make a training: {problems}.") from exc
