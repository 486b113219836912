"""What a training by a service costs: dated prices, and sums over counted tokens.

The prices are in `prices.toml` beside this file; a file or mapping of the same form goes before it, field by
field. All but reading that is pure.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from toolhone.exceptions import ConfigurationError, ProviderRefusedError
from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = 1_000_000

STALE_DAYS = 180
"""A price that is older is used, but said to be old."""
NEAR_DAYS = 90
"""A last day that is nearer is warned of."""

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelTerms(BaseModel):
    """What is known of one model at one service; every field may be missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training_usd_per_million: Usd | None = None
    training_usd_per_million_at_most: Usd | None = None
    input_usd_per_million: Usd | None = None
    output_usd_per_million: Usd | None = None
    base_input_usd_per_million: Usd | None = None
    base_output_usd_per_million: Usd | None = None
    hosting_usd_per_hour: Usd = 0.0
    hosting_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 24.0
    as_of: date | None = None
    source: str | None = None
    training_ends: date | None = None
    shuts_down: date | None = None


class ServiceTerms(BaseModel):
    """What is known of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training_ends: date | None = None
    dates_source: str = "the price table"
    models: dict[str, ModelTerms] = {}


_TABLE = TypeAdapter(dict[str, ServiceTerms])


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs to train and to ask, in USD, and how that is known."""

    model: str
    training: float
    """Per million trained tokens."""
    training_at_most: float
    input: float
    output: float
    """Per million tokens of the tuned model."""
    base_input: float
    base_output: float
    hosting_per_hour: float
    hosting_hours: float
    as_of: date
    source: str

    def __str__(self) -> str:
        return (
            f"{self.model}: ${self.training:g} per million trained tokens, ${self.input:g} in and "
            f"${self.output:g} out per million of the tuned model; as of {self.as_of}, {self.source}"
        )

    def training_usd(self, trained_tokens: int) -> float:
        return trained_tokens * self.training / _MILLION

    def answer_usd(self, prompt_tokens: int, completion_tokens: int, *, tuned: bool) -> float:
        asked, said = (self.input, self.output) if tuned else (self.base_input, self.base_output)
        return (prompt_tokens * asked + completion_tokens * said) / _MILLION

    def warnings(self, today: date) -> list[str]:
        found: list[str] = []
        if (age := (today - self.as_of).days) > STALE_DAYS:
            found.append(f"The price is {age} days old ({self.source}): compare it with the service's own.")
        if self.training_at_most > self.training:
            found.append(
                f"Sources disagree on the price of training: the estimate takes ${self.training:g} per "
                f"million tokens, the upper bound ${self.training_at_most:g}."
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is sent and asked, in counted tokens."""

    training: int
    """Of the training file, once."""
    validation: int
    epochs: int
    test_prompts: int
    """Of the held-out requests, once; the base model and the tuned one are asked each."""
    test_answers: int
    """That their answers may take at most."""

    @property
    def trained(self) -> int:
        return self.training * self.epochs


def expected_usd(work: Workload, price: Price) -> float:
    """What the training alone should cost."""
    return price.training_usd(work.trained)


def upper_bound_usd(work: Workload, price: Price, *, margin: float) -> float:
    """What everything may cost at most: training, validation as if it were trained on, answers, hosting.

    Args:
        margin: By how much the service may count more tokens than we do; 1.1 is a tenth more.
    """
    trained = (work.training + work.validation) * work.epochs * price.training_at_most / _MILLION
    answers = sum(
        price.answer_usd(work.test_prompts, work.test_answers, tuned=tuned) for tuned in (False, True)
    )
    return (trained + answers) * margin + price.hosting_per_hour * price.hosting_hours


class PriceBook:
    """The terms of all services that are known."""

    def __init__(self, services: Mapping[str, ServiceTerms]) -> None:
        self._services = dict(services)

    def price(self, service: str, model: str, *, trained: bool = True) -> Price | None:
        """What it costs, or `None` if that is not known in full.

        Args:
            trained: The price of training must be known too, not only that of answers.
        """
        terms = self._terms(service, model)
        if (
            terms is None
            or (trained and terms.training_usd_per_million is None)
            or terms.input_usd_per_million is None
            or terms.output_usd_per_million is None
            or terms.as_of is None
        ):
            return None
        training = terms.training_usd_per_million or 0.0
        base_input, base_output = terms.base_input_usd_per_million, terms.base_output_usd_per_million
        return Price(
            model=base_of(model),
            training=training,
            training_at_most=max(training, terms.training_usd_per_million_at_most or 0.0),
            input=terms.input_usd_per_million,
            output=terms.output_usd_per_million,
            base_input=terms.input_usd_per_million if base_input is None else base_input,
            base_output=terms.output_usd_per_million if base_output is None else base_output,
            hosting_per_hour=terms.hosting_usd_per_hour,
            hosting_hours=terms.hosting_hours,
            as_of=terms.as_of,
            source=terms.source or "no source given",
        )

    def deadlines(
        self, service: str, model: str, today: date, *, told: date | None = None
    ) -> tuple[str, ...]:
        """Warnings of last days that are near.

        Args:
            told: The day on which the model is shut down, as the service itself says.

        Raises:
            ProviderRefusedError: One of them is past.
        """
        terms = self._terms(service, model) or ModelTerms()
        known = self._services.get(service) or ServiceTerms()
        source = known.dates_source
        ends = min((day for day in (known.training_ends, terms.training_ends) if day), default=None)
        days = [
            (ends, f"{service!r} accepts no new fine-tuning of {model!r} from {ends} on ({source})"),
            (
                terms.shuts_down,
                f"{model!r} and what was tuned on it shut down on {terms.shuts_down} ({source})",
            ),
            (told, f"{model!r} shuts down on {told}, says the service itself"),
        ]
        warnings: list[str] = []
        for day, sentence in days:
            if day is None:
                continue
            if day <= today:
                raise ProviderRefusedError(
                    f"{sentence}; today is {today}. Nothing was sent. Choose another base model, or train on "
                    "this machine with provider 'local'.",
                    data={"base_model": model, "date": day.isoformat()},
                )
            if (day - today).days <= NEAR_DAYS:
                warnings.append(f"{sentence}: in {(day - today).days} days.")
        return tuple(warnings)

    def models(self, service: str) -> list[str]:
        """The models of a service that have a price."""
        return [name for name in self._section(service) if name != "*" and self.price(service, name)]

    def names(self, service: str, model: str) -> bool:
        """Whether the model is in the table by its own name."""
        return any(name in self._section(service) for name in _names(model))

    def _section(self, service: str) -> Mapping[str, ModelTerms]:
        return self._services[service].models if service in self._services else {}

    def _terms(self, service: str, model: str) -> ModelTerms | None:
        models = self._section(service)
        return next((models[name] for name in (*_names(model), "*") if name in models), None)


def _names(model: str) -> tuple[str, ...]:
    """The names under which a model may be listed: without the date of a snapshot it is the same model."""
    base = base_of(model)
    return model, base, _SNAPSHOT.sub("", base)


def base_of(model: str) -> str:
    """The base model in a tuned one's name (`ft:BASE:org:suffix:id`, `BASE.ft-id-suffix`); else the name."""
    if model.startswith("ft:"):
        return model.split(":")[1]
    return model.split(".ft-", 1)[0]


def is_tuned(model: str) -> bool:
    """Whether the name is one that OpenAI or Azure give to tuned models."""
    return base_of(model) != model


def unknown_price(service: str, model: str) -> ProviderRefusedError:
    """What is said where no price is known."""
    return ProviderRefusedError(
        f"No price is known for fine-tuning {model!r} at {service!r}, so its cost cannot be held under "
        "max_training_cost_usd. Nothing was sent. Add the price to a TOML file and name that file in the "
        f'settings (TOOLHONE_PRICES): [{service_key(service)}.models."{model}"] training_usd_per_million, '
        "input_usd_per_million, output_usd_per_million, as_of = YYYY-MM-DD, source.",
        data={"service": service, "base_model": model, "reason": "price_unknown"},
    )


def service_of(base_url: str) -> str:
    """The section of the price table for a base URL."""
    host = urlsplit(base_url).hostname or base_url
    return "openai" if host == "api.openai.com" or host.endswith(".api.openai.com") else host


def service_key(service: str) -> str:
    """The name of the service's section, as TOML spells it."""
    return service if re.fullmatch(r"[A-Za-z0-9_-]+", service) else f'"{service}"'


def load_prices(overrides: Path | Mapping[str, Json] | None = None) -> PriceBook:
    """The shipped table, with what `overrides` says in its place.

    Raises:
        ConfigurationError: The overriding file cannot be read or does not have this form.
    """
    table: JsonObject = tomllib.loads((files("toolhone.training") / "prices.toml").read_text("utf-8"))
    where = "the given prices"
    if isinstance(overrides, Path):
        where = f"the price file {str(overrides)!r}"
        try:
            overrides = tomllib.loads(overrides.read_text("utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"Cannot read {where}: {error}.") from error
    if overrides:
        table = _merged(table, overrides)
    try:
        return PriceBook(_TABLE.validate_python(table))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"{where[0].upper()}{where[1:]} cannot be used: {place}: {first['msg']}. The fields are "
            f"explained at the top of {files('toolhone.training') / 'prices.toml'}."
        ) from error


def _merged(table: Mapping[str, Json], overrides: Mapping[str, Json]) -> JsonObject:
    merged = dict(table)
    for name, value in overrides.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if is_object(before) and is_object(value) else value
    return merged
