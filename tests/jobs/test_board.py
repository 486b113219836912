"""Creating, approving, cancelling and retrying jobs; plans and budgets."""

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread
import pytest

from toolhone.exceptions import BudgetExceededError, InsufficientDataError, InvalidRequestError
from toolhone.jobs.planning import Planner
from toolhone.models import Category
from toolhone.records.jobs import FinetuningProvider, Job, JobStatus

if TYPE_CHECKING:
    from jobs.scripts.paper import Shop

Open: TypeAlias = "Callable[..., Shop]"


async def test_free_work_starts_at_once_and_other_work_waits_for_approval(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop()
    job = await shop.board.job(await shop.approved())
    assert (job.status, job.approved_by) == (JobStatus.QUEUED, "tester")

    shop.provider.script.upper_bound = 0
    plan = await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    free = await shop.board.create(plan.plan_id, caller=paper.CALLER)
    assert (plan.needs_approval, free.status) == (False, JobStatus.QUEUED)
    assert free.job_id.startswith("finetune_core_security_2")
    assert free.job_id != job.job_id


async def test_free_training_with_a_judge_that_is_paid_waits_for_approval(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop(paper.Script(upper_bound=0))
    planner = Planner(
        {FinetuningProvider.OPENAI: shop.provider},
        lambda: shop.store,
        judging_usd=lambda _config, _folder: 3.0,
    )
    plan = await planner.estimate(shop.config(), shop.manifest, shop.folder)

    assert (plan.needs_approval, plan.estimate.upper_bound_usd) == (True, 3.0)
    assert "The judge model may cost up to $3.00 of the upper bound." in plan.estimate.warnings
    job = await shop.board.create(plan.plan_id, caller=paper.CALLER)
    assert job.status is JobStatus.AWAITING_APPROVAL
    with pytest.raises(BudgetExceededError, match="max_training_cost_usd"):
        await planner.estimate(shop.config(max_training_cost_usd=2), shop.manifest, shop.folder)


async def test_two_creates_of_one_plan_at_once_make_one_job(open_shop: Open, paper: ModuleType) -> None:
    # Of two processes, say: each has stores of its own.
    shops = [open_shop() for _ in range(4)]
    plan = await shops[0].planner.estimate(shops[0].config(), shops[0].manifest, shops[0].folder)
    together = threading.Barrier(len(shops))
    found: list[str] = []

    def create(shop: "Shop") -> None:
        together.wait(timeout=20)

        async def main() -> None:
            found.append((await shop.board.create(plan.plan_id, caller=paper.CALLER)).job_id)

        anyio.run(main)

    async with anyio.create_task_group() as tasks:
        for shop in shops:
            tasks.start_soon(anyio.to_thread.run_sync, create, shop)

    assert len(found) == len(shops)
    assert len(set(found)) == 1
    assert len(shops[0].store.jobs()) == 1
    assert sum(len(shop.audited) for shop in shops) == 1


async def test_a_plan_is_refused_before_anything_is_kept(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop()
    manifest_of, named = paper.manifest_of, shop.manifest.dataset_id
    few = manifest_of(named, counts={"train": 50})
    revoked = manifest_of(named, revoked_at=paper.AT, revoked_why="erased", replaced_by="another")
    other = manifest_of(named, category=Category.ECOMMERCE)
    shop.store.set_budget(Category.CORE_SECURITY, 4.0, at=paper.AT)

    with pytest.raises(InsufficientDataError, match=r"50 rows .* is 100"):
        await shop.planner.estimate(shop.config(), few, shop.folder)
    with pytest.raises(InvalidRequestError, match=r"revoked \(erased\). Use 'another'"):
        await shop.planner.estimate(shop.config(), revoked, shop.folder)
    with pytest.raises(InvalidRequestError, match="of the category 'ecommerce'"):
        await shop.planner.estimate(shop.config(), other, shop.folder)
    with pytest.raises(BudgetExceededError, match=r"up to \$5.00, and max_training_cost_usd is \$4.50"):
        await shop.planner.estimate(shop.config(max_training_cost_usd=4.5), shop.manifest, shop.folder)
    with pytest.raises(BudgetExceededError, match=r"\$4.00 is left"):
        await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    assert shop.provider.submits == 0


async def test_a_scorer_that_there_is_not_is_refused_before_the_provider_is_asked(open_shop: Open) -> None:
    shop = open_shop()
    asked: list[str | None] = []

    def check(name: str | None) -> None:
        asked.append(name)
        if name == "guess":
            raise InvalidRequestError("There is no scorer 'guess'.")

    planner = Planner({FinetuningProvider.OPENAI: shop.provider}, lambda: shop.store, check_scorer=check)
    with pytest.raises(InvalidRequestError, match="no scorer 'guess'"):
        await planner.estimate(shop.config(scorer="guess"), shop.manifest, shop.folder)
    assert not shop.provider.reached("estimate").is_set()

    for name in ("exact", None):
        plan = await planner.estimate(shop.config(scorer=name), shop.manifest, shop.folder)
        assert shop.store.plan(plan.plan_id).config.scorer == name
    assert asked == ["guess", "exact", None]
    assert shop.provider.reached("estimate").is_set()


async def test_a_budget_that_is_used_up_meanwhile_stops_the_approval(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop()
    plan = await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    job = await shop.board.create(plan.plan_id, caller=paper.CALLER)
    await shop.board.set_budget(Category.CORE_SECURITY, 1.0, caller=paper.CALLER)

    with pytest.raises(BudgetExceededError, match=r"\$1.00 is left"):
        await shop.board.approve(job.job_id, caller=paper.CALLER)

    assert (await shop.board.job(job.job_id)).status is JobStatus.AWAITING_APPROVAL


async def test_a_budget_that_is_used_up_after_the_approval_stops_the_job(open_shop: Open) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    shop.store.set_budget(Category.CORE_SECURITY, 1.0, at="2026")

    with anyio.fail_after(20):
        await shop.runner.run(until_idle=True)

    job = await shop.board.job(job_id)
    assert (job.status, job.error_code, shop.provider.submits) == (JobStatus.FAILED, "budget_exceeded", 0)


async def test_an_old_plan_is_not_run(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop()
    plan = await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    waiting = await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    job = await shop.board.create(waiting.plan_id, caller=paper.CALLER)
    shop.now += timedelta(days=8)

    with pytest.raises(InvalidRequestError, match=r"expired at .* Estimate anew"):
        await shop.board.create(plan.plan_id, caller=paper.CALLER)
    with pytest.raises(InvalidRequestError, match="expired at"):
        await shop.board.approve(job.job_id, caller=paper.CALLER)
    assert (await shop.board.create(waiting.plan_id, caller=paper.CALLER)).job_id == job.job_id


async def test_a_job_that_has_not_begun_is_cancelled_at_once(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop()
    plan = await shop.planner.estimate(shop.config(), shop.manifest, shop.folder)
    waiting = await shop.board.create(plan.plan_id, caller=paper.CALLER)
    queued = await shop.approved()

    for job_id in (waiting.job_id, queued):
        job = await shop.board.cancel(job_id, caller=paper.CALLER)
        assert job.status is JobStatus.CANCELLED

    await shop.runner.run(until_idle=True)
    assert shop.provider.submits == 0
    with pytest.raises(InvalidRequestError, match="is over already: cancelled"):
        await shop.board.cancel(queued, caller=paper.CALLER)


@pytest.mark.parametrize("status", [status for status in JobStatus if not status.final])
async def test_in_every_state_a_job_can_be_cancelled(
    open_shop: Open, paper: ModuleType, status: JobStatus
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    shop.store.update(job_id, {"status": status}, at=paper.AT)

    job = await shop.board.cancel(job_id, caller=paper.CALLER)
    with anyio.fail_after(20):
        await shop.runner.run(until_idle=True)

    assert job.cancel_requested
    assert (await shop.board.job(job_id)).status is JobStatus.CANCELLED
    assert shop.provider.submits == 0


async def test_a_success_is_not_run_again(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    await shop.runner.run(until_idle=True)

    with pytest.raises(InvalidRequestError, match="it is succeeded"):
        await shop.board.retry(job_id, caller=paper.CALLER)


async def test_a_watch_shows_what_another_process_does_until_the_end(open_shop: Open) -> None:
    shop, other = open_shop(), open_shop()
    job_id = await shop.approved()
    seen: list[Job] = []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: other.runner.run(until_idle=True))
        with anyio.fail_after(20):
            async for job in shop.board.watch(job_id):
                seen.append(job)  # noqa: PERF401

    assert seen[-1].status is JobStatus.SUCCEEDED
    assert all(one != next_one for one, next_one in pairwise(seen))


async def test_an_unknown_job_is_answered_with_those_that_exist(open_shop: Open) -> None:
    shop = open_shop()
    with pytest.raises(InvalidRequestError, match=r"no job 'nonsense'. There is none yet."):
        await shop.board.job("nonsense")
    job_id = await shop.approved()
    with pytest.raises(InvalidRequestError, match=job_id):
        await shop.board.events("nonsense")
