"""What a training at a service with OpenAI's API will take, from its measured rows and a price. Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import date

from toolhone.models import Json
from toolhone.records.jobs import Estimate, FinetuningConfig
from toolhone.training.costs import Price, expected_usd, upper_bound_usd
from toolhone.training.providers.openai_files import Measured, suffix_of
from toolhone.training.providers.openai_starting import batch_size

_MARGIN = 1.1
_MARGIN_OTHER_TOKENIZER = 1.5
"""By how much a service may count more tokens than we do, with our tokenizer and with another one."""


def estimated(
    config: FinetuningConfig,
    measured: Measured,
    price: Price,
    *,
    azure: bool,
    warnings: Sequence[str],
) -> Estimate:
    """The estimate.

    Args:
        warnings: What is to be said of the model and its price, before what is said of the training.
    """
    model, work, rows = config.base_model, measured.work, measured.rows
    batch = batch_size(config.batch_size, rows)
    told = [
        *warnings,
        *measured.warnings,
        f"learning_rate {config.learning_rate:g} is not used: the API takes no absolute rate, so the "
        "service chooses one.",
    ]
    if batch != config.batch_size:
        told.append(f"batch_size is {batch}, not {config.batch_size}: there are only {rows} rows.")
    if margin_of(model) > _MARGIN:
        told.append("Tokens are counted as GPT-4o's; this model may count others (bound: +50 %).")
    if azure:
        told.append(
            "Azure answers from deployments only: you deploy the tuned model before it is judged. "
            f"The bound has {price.hosting_hours:g} hours at ${price.hosting_per_hour:g} for that."
        )
    return Estimate(
        trained_tokens=work.trained,
        cost_usd=expected_usd(work, price),
        upper_bound_usd=upper_bound_usd(work, price, margin=margin_of(model)),
        price_source=str(price),
        honoured={
            "model": model,
            "n_epochs": config.n_epochs,
            "batch_size": batch,
            "seed": config.seed,
            "suffix": suffix_of(config, azure=azure),
        },
        warnings=tuple(told),
        steps=math.ceil(rows / batch) * config.n_epochs,
    )


def margin_of(model: str) -> float:
    """By how much the service may count more tokens of this model than we do."""
    ours = model.removeprefix("ft:").startswith(("gpt-4o", "gpt-4.1"))
    return _MARGIN if ours else _MARGIN_OTHER_TOKENIZER


def shutdown_date(described: Mapping[str, Json] | None) -> date | None:
    """The day that a service names for the end of a model, in what it says of it."""
    told = (described or {}).get("shutdown_date")
    try:
        return date.fromisoformat(told[:10]) if isinstance(told, str) else None
    except ValueError:
        return None
