"""Plans: what a training will take, bound to one dataset and one configuration."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio.to_thread

from toolhone.exceptions import (
    BudgetExceededError,
    ConflictError,
    InsufficientDataError,
    InvalidRequestError,
    ProviderNotSetUpError,
)
from toolhone.models import Category
from toolhone.records.datasets import Manifest, Purpose, Split
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider, Plan
from toolhone.records.stores import JobStore
from toolhone.training.lineage import HeldOut
from toolhone.training.providers.provider import Provider

GOOD_FOR = timedelta(days=7)
"""A plan's price and its dataset's place are not promised for longer."""

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


JudgingUsd = Callable[[FinetuningConfig, Path], float]
"""What scoring the answers of a job may cost at most, beside the answers; by its dataset's folder. Blocks."""


async def estimated(
    provider: Provider,
    config: FinetuningConfig,
    manifest: Manifest,
    folder: Path,
    *,
    usd_per_hour: float,
    judging_usd: JudgingUsd | None,
) -> Estimate:
    """The provider's estimate, with what judging the answers costs."""
    estimate = await provider.estimate(config, manifest, folder, usd_per_hour)
    judging = 0.0
    if judging_usd is not None:
        judging = await anyio.to_thread.run_sync(judging_usd, config, folder)
    if judging <= 0:
        return estimate
    return replace(
        estimate,
        upper_bound_usd=estimate.upper_bound_usd + judging,
        warnings=(
            *estimate.warnings,
            f"The judge model may cost up to ${judging:,.2f} of the upper bound.",
        ),
    )


class Planner:
    """Makes plans. Nothing is sent or spent by one."""

    def __init__(
        self,
        providers: Mapping[FinetuningProvider, Provider],
        open_jobs: Callable[[], JobStore],
        *,
        usd_per_hour: float = 0.0,
        check_scorer: Callable[[str | None], None] | None = None,
        judging_usd: JudgingUsd | None = None,
        held_out: Callable[[str, str], HeldOut] | None = None,
        now: Clock = now_utc,
    ) -> None:
        """Take the providers.

        Args:
            open_jobs: The store of plans; called in a worker thread.
            usd_per_hour: What an hour of this machine is reckoned at.
            check_scorer: Raises if there is no scorer of this name, before anything is paid for. Blocks.
            judging_usd: What scoring costs; nothing, if not given.
            held_out: The held-out rows of a dataset that a base model has not learned. Blocks.
        """
        self._held_out = held_out
        self._providers = providers
        self._open_jobs = open_jobs
        self._usd_per_hour = usd_per_hour
        self._check_scorer = check_scorer
        self._judging_usd = judging_usd
        self._now = now

    async def estimate(self, config: FinetuningConfig, manifest: Manifest, folder: Path) -> Plan:
        """Plan a training on this dataset, and keep the plan.

        Raises:
            InvalidRequestError: It cannot be trained so; the message says what to change.
            InsufficientDataError: The dataset has too few rows to train on.
            BudgetExceededError: It may cost more than the configuration or the category's budget allows.
            ProviderNotSetUpError: The provider cannot be used here.
        """
        check_dataset(config, manifest)
        if self._check_scorer is not None:
            await anyio.to_thread.run_sync(self._check_scorer, config.scorer)
        provider = provider_of(self._providers, config.provider)
        estimate = await estimated(
            provider,
            config,
            manifest,
            folder,
            usd_per_hour=self._usd_per_hour,
            judging_usd=self._judging_usd,
        )
        check_cap(estimate.upper_bound_usd, config)
        estimate = await self._warned(estimate, config, manifest)
        now = self._now()
        plan = Plan(
            plan_id=f"plan_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(4)}",
            created_at=timestamp(now),
            expires_at=timestamp(now + GOOD_FOR),
            dataset_id=manifest.dataset_id,
            dataset_hash=manifest.content_hash,
            config=config,
            estimate=estimate,
            needs_approval=estimate.upper_bound_usd > 0,
        )

        def keep() -> None:
            store = self._open_jobs()
            limit, reserved, spent = store.budget(config.category)
            if limit is not None and reserved + spent + estimate.upper_bound_usd > limit:
                raise over_budget(config.category, estimate.upper_bound_usd, limit, reserved, spent)
            store.add_plan(plan)

        await anyio.to_thread.run_sync(keep)
        return plan

    async def _warned(self, estimate: Estimate, config: FinetuningConfig, manifest: Manifest) -> Estimate:
        """The estimate, with a word on held-out rows that the base model has learned already."""
        if self._held_out is None or not config.base_model or manifest.purpose is not Purpose.AGENT:
            return estimate
        held_out = await anyio.to_thread.run_sync(self._held_out, manifest.dataset_id, config.base_model)
        if held_out.warning is None:
            return estimate
        if not held_out.rows:
            raise InvalidRequestError(
                f"{held_out.warning} Nothing is left to judge by: prepare a dataset of newer work, or start "
                "from a base model that was not tuned here."
            )
        return replace(estimate, warnings=(*estimate.warnings, held_out.warning))


def provider_of(providers: Mapping[FinetuningProvider, Provider], wanted: FinetuningProvider) -> Provider:
    """The provider, if it can train here.

    Raises:
        ProviderNotSetUpError: It cannot; the message says what is missing.
    """
    provider = providers.get(wanted)
    if provider is None:
        there = ", ".join(sorted(name.value for name in providers)) or "none"
        raise ProviderNotSetUpError(f"There is no provider {wanted.value!r} here; there are: {there}.")
    capabilities = provider.capabilities
    if not capabilities.available:
        why = capabilities.unavailable_why or "It is not set up."
        raise ProviderNotSetUpError(f"The provider {wanted.value!r} cannot train here: {why}")
    return provider


def revocation(manifest: Manifest) -> str | None:
    """What a person is told of a dataset that must not be used any more; `None` if it may be."""
    if manifest.revoked_at is None:
        return None
    instead = f"Use {manifest.replaced_by!r}" if manifest.replaced_by else "Prepare a new one"
    why = (manifest.revoked_why or "").rstrip(".")
    return f"The dataset {manifest.dataset_id!r} was revoked ({why}). {instead}."


def check_dataset(config: FinetuningConfig, manifest: Manifest) -> None:
    """Raises InvalidRequestError if this dataset cannot be what is trained on."""
    if (revoked := revocation(manifest)) is not None:
        raise ConflictError(revoked)
    if manifest.category is not config.category:
        raise InvalidRequestError(
            f"The dataset {manifest.dataset_id!r} is of the category {manifest.category.value!r}, "
            f"not {config.category.value!r}. Name another dataset, or change the category."
        )
    if (manifest.purpose is Purpose.SELECTOR) != (config.provider is FinetuningProvider.SELECTOR):
        raise InvalidRequestError(
            f"The dataset {manifest.dataset_id!r} is for the {manifest.purpose.value}, and the provider is "
            f"{config.provider.value!r}. Name another dataset, or choose another provider."
        )
    rows = manifest.counts.get(Split.TRAIN.value, 0)
    if rows < config.min_training_samples:
        raise InsufficientDataError(
            f"The dataset {manifest.dataset_id!r} has {rows} rows to train on, and min_training_samples is "
            f"{config.min_training_samples}. Collect more, or ask for fewer."
        )


def check_cap(upper_bound: float, config: FinetuningConfig) -> None:
    """Raises BudgetExceededError if it may cost more than the configuration allows."""
    if upper_bound > config.max_training_cost_usd:
        raise BudgetExceededError(
            f"The training may cost up to ${upper_bound:,.2f}, and max_training_cost_usd is "
            f"${config.max_training_cost_usd:,.2f}. Train fewer epochs or rows, choose a cheaper base "
            "model, or allow more."
        )


def over_budget(
    category: Category,
    upper_bound: float,
    limit: float,
    reserved: float,
    spent: float,
    *,
    what: str = "training",
) -> BudgetExceededError:
    left = max(0.0, limit - reserved - spent)
    return BudgetExceededError(
        f"The {what} may cost up to ${upper_bound:,.2f}, and of the budget of {category.value!r} "
        f"(${limit:,.2f}; ${spent:,.2f} spent, ${reserved:,.2f} reserved) ${left:,.2f} is left. "
        f"Raise it with: toolhone jobs budget {category.value} USD"
    )
