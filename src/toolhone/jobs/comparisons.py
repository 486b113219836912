"""Comparisons of models, where asking them costs: bounded, permitted, reserved, settled and recorded."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import anyio.to_thread

from toolhone.access import require
from toolhone.events import new_event
from toolhone.exceptions import BudgetExceededError, StorageError, ToolhoneError
from toolhone.jobs.board import Record
from toolhone.jobs.planning import Clock, now_utc, over_budget, timestamp
from toolhone.models import Caller, Category, EventKind, JsonObject
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.stores import DatasetStore, JobStore
from toolhone.roles import Permission
from toolhone.training.comparing import ComparisonCost, ModelComparing
from toolhone.training.kept_comparisons import KeptComparisons
from toolhone.training.model_comparison import ModelComparison, Report

logger = logging.getLogger(__name__)

Choose = Callable[[str, str, Category | None], Awaitable[str]]
"""From two models and a category to the id of a dataset."""

SETTLING_SECONDS = 10.0
"""What a comparison that is cancelled may take to settle what it has cost."""


class Comparisons:
    """Lets models be compared within the budget of a category."""

    def __init__(
        self,
        comparing: ModelComparing,
        *,
        open_jobs: Callable[[], JobStore],
        open_datasets: Callable[[], DatasetStore],
        choose: Choose,
        forget: Callable[[str], None],
        kept: KeptComparisons,
        record: Record,
        now: Clock = now_utc,
    ) -> None:
        """Take what compares. All callables that are not awaitable block, and run in worker threads.

        Args:
            open_jobs: The store of budgets.
            choose: The id of the dataset that is meant where none is named.
            forget: Deletes what was kept of a dataset's rows, if it is revoked.
            kept: Where comparisons are kept that were made.
            record: Writes into the audit log.
        """
        self._comparing = comparing
        self._open_jobs = open_jobs
        self._open_datasets = open_datasets
        self._choose = choose
        self._forget = forget
        self._kept = kept
        self._record = record
        self._now = now

    async def most_usd(
        self, a: str, b: str, scorer: str | None, *, dataset_id: str | None, category: Category | None
    ) -> float:
        """What `compare` would cost at most now; what was answered before costs nothing again.

        Raises:
            InvalidRequestError: A model or the scorer is not known, or it cannot be told by which rows.
            ProviderError: A model cannot be asked, or a price is not known.
        """
        manifest, rows = await self._compared_by(a, b, dataset_id, category)
        cost = await self._comparing.cost(a, b, rows, scorer, dataset_id=manifest.dataset_id)
        return cost.upper_bound_usd

    async def compare(
        self,
        a: str,
        b: str,
        scorer: str | None,
        dataset_id: str | None,
        category: Category | None,
        *,
        at_most_usd: float | None,
        caller: Caller,
        report: Report | None = None,
    ) -> ModelComparison:
        """Let two models answer the held-out rows of a dataset; see `ModelComparing.compare`.

        It is paid from the budget of the dataset's category.

        Args:
            at_most_usd: What somebody agreed to pay.
            report: Is told of each stage when it begins.

        Raises:
            PermissionDeniedError: It costs money, and the caller may not let such work begin.
            BudgetExceededError: It may cost more than was agreed to, or than is left of the budget.
            InvalidRequestError: A model or the scorer is not known, or it cannot be told by which rows.
            ProviderError: A model or the judge cannot be used now, or a price is not known.
        """
        manifest, rows = await self._compared_by(a, b, dataset_id, category)
        named = manifest.dataset_id
        before = await self._comparing.cost(a, b, rows, scorer, dataset_id=named)
        bound = before.upper_bound_usd
        if at_most_usd is not None and bound > at_most_usd:
            raise BudgetExceededError(
                f"The comparison may cost up to ${bound:,.4f}, more than the ${at_most_usd:,.4f} that was "
                "agreed to. Nothing was asked. To go on, agree to as much (max_cost_usd)."
            )
        if bound > 0:
            require(caller, Permission.APPROVE)
        comparison_id = f"compare_{self._now():%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"
        await self._reserve(comparison_id, manifest.category, bound)

        async def close(code: str | None) -> float:
            after = await self._comparing.cost(a, b, rows, scorer, dataset_id=named)
            paid = _paid(before, after, whole=code is None)
            if bound > 0:
                await self._settle(comparison_id, paid)
            payload: JsonObject = {
                "action": "compared",
                "comparison_id": comparison_id,
                "a": a,
                "b": b,
                "category": manifest.category.value,
                "dataset_id": named,
                "scorer": scorer,
                "upper_bound_usd": bound,
                "cost_usd": paid,
            }
            await self._record(
                new_event(EventKind.MODEL, caller, success=code is None, error_code=code, payload=payload)
            )
            return paid

        try:
            try:
                compared = await self._comparing.compare(
                    a, b, rows, scorer, dataset_id=named, category=manifest.category, report=report
                )
            except BaseException as exc:
                # Whoever gives up, or a model that fails, does not make free what was answered.
                code = exc.code if isinstance(exc, ToolhoneError) else "cancelled"
                with anyio.move_on_after(SETTLING_SECONDS, shield=True):
                    await close(code)
                raise
            with anyio.fail_after(SETTLING_SECONDS, shield=True):
                compared = replace(compared, paid_usd=await close(None), comparison_id=comparison_id)
                return await anyio.to_thread.run_sync(self._keep, compared)
        finally:
            # An erasure may have come in between, and looked for answers before the last were written.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._forget, named)

    async def all(self) -> list[ModelComparison]:
        """Those that are kept, the newest first."""
        return await anyio.to_thread.run_sync(self._kept.all)

    async def find(self, comparison_id: str) -> ModelComparison:
        """Raises NotFoundError if none of this id is kept."""
        return await anyio.to_thread.run_sync(self._kept.find, comparison_id)

    def _keep(self, compared: ModelComparison) -> ModelComparison:
        try:
            self._kept.keep(compared)
        except StorageError as exc:
            # It was made and paid for: whoever asked gets it all the same.
            logger.warning("%s", exc.message)
            note = f"It could not be kept to be read again: {exc.message}"
            return replace(compared, comparison_id=None, notes=(*compared.notes, note))
        return compared

    async def _compared_by(
        self, a: str, b: str, dataset_id: str | None, category: Category | None
    ) -> tuple[Manifest, list[Row]]:
        chosen = dataset_id or await self._choose(a, b, category)

        def read() -> tuple[Manifest, list[Row]]:
            store = self._open_datasets()
            return store.manifest(chosen), list(store.rows(chosen, Split.TEST))

        return await anyio.to_thread.run_sync(read)

    async def _reserve(self, comparison_id: str, category: Category, bound: float) -> None:
        if bound <= 0:
            return
        at = timestamp(self._now())

        def reserve() -> None:
            store = self._open_jobs()
            if not store.reserve(comparison_id, category, bound, at=at):
                limit, reserved, spent = store.budget(category)
                raise over_budget(category, bound, limit or 0.0, reserved, spent, what="comparison")

        await anyio.to_thread.run_sync(reserve)

    async def _settle(self, comparison_id: str, paid: float) -> None:
        at = timestamp(self._now())
        await anyio.to_thread.run_sync(lambda: self._open_jobs().settle(comparison_id, paid, at=at))


def _paid(before: ComparisonCost, after: ComparisonCost, *, whole: bool) -> float:
    """What it cost; of one that was cut off at most, as answers that were under way may be charged too."""
    paid = after.paid_since(before)
    return paid if whole else min(paid + after.under_way_usd, max(before.upper_bound_usd, paid))
