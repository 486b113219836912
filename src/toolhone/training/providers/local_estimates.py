"""What a training on this machine will take, from what its check found. Pure."""

from toolhone.exceptions import BudgetExceededError
from toolhone.models import JsonObject
from toolhone.records.jobs import Estimate, FinetuningConfig
from toolhone.training.local.orders import LORA_ALPHA, LORA_R, LORA_TARGETS

FEW_STEPS = 30
"""Below this a training hardly changes a model."""


def estimated(found: JsonObject, config: FinetuningConfig, usd_per_hour: float) -> Estimate:
    """Time times the rate of this machine, and what should be known beforehand.

    Raises:
        BudgetExceededError: It would cost more than the configuration allows.
    """
    seconds = found["seconds"]
    cost = usd_per_hour * seconds / 3_600 if seconds is not None else usd_per_hour * config.max_training_hours
    most = min(config.max_training_cost_usd, usd_per_hour * config.max_training_hours)
    if seconds is not None and cost > config.max_training_cost_usd:
        raise BudgetExceededError(
            f"The training would take about {_duration(seconds)}, which is ${cost:.2f} at "
            f"${usd_per_hour:g} an hour, more than max_training_cost_usd="
            f"{config.max_training_cost_usd:g}. Raise it, or train for fewer epochs."
        )
    return Estimate(
        trained_tokens=int(found["trained_tokens"]),
        cost_usd=min(cost, most),
        upper_bound_usd=most,
        price_source=(
            f"${usd_per_hour:g} an hour of this machine, as set; the training stops when it has used up "
            "max_training_cost_usd or max_training_hours"
            if usd_per_hour
            else "work on this machine, for which no price is set"
        ),
        seconds=seconds,
        honoured={
            "n_epochs": config.n_epochs,
            "batch_size": config.batch_size,
            "rows_at_once": found["rows_at_once"],
            "learning_rate": config.learning_rate,
            "seed": config.seed,
            "lora": {"r": LORA_R, "alpha": LORA_ALPHA, "targets": LORA_TARGETS},
            "rows": found["rows"],
            "learned_tokens": found["learned_tokens"],
            "answers_found_by": found["answers_found_by"],
            "device": found["device"],
        },
        warnings=tuple(_warnings(found, config, seconds)),
        steps=int(found["steps"]),
    )


def _warnings(found: JsonObject, config: FinetuningConfig, seconds: float | None) -> list[str]:
    warnings: list[str] = []
    for why, count in found["dropped"].items():
        warnings.append(f"{count} rows are left out: {why}")
    if found["steps"] < FEW_STEPS:
        warnings.append(
            f"The weights change only {found['steps']} times (rows / batch_size * n_epochs), which hardly "
            f"changes a model. Take a smaller batch_size than {config.batch_size}, or more epochs."
        )
    if not found["validation_rows"]:
        warnings.append(
            "There are no validation rows, so the last epoch is kept whether it was the best or not."
        )
    if seconds is None:
        warnings.append("The model is too large to be tried for an estimate, so the time is not known.")
    elif seconds > config.max_training_hours * 3_600:
        warnings.append(
            f"It would take about {_duration(seconds)} and is stopped after max_training_hours="
            f"{config.max_training_hours:g}. Raise it, or train for fewer epochs."
        )
    return warnings


def _duration(seconds: float) -> str:
    return f"{seconds / 3_600:.1f} hours" if seconds >= 3_600 else f"{seconds / 60:.0f} minutes"
