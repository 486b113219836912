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

from toolhone.exceptions import (
    BudgetExceededError,
    InsufficientDataError,
    InvalidRequestError,
    ProviderUnavailableError,
)
from toolhone.jobs.leftovers import stop_leftover
from toolhone.jobs.planning import Planner
from toolhone.models import Category
from toolhone.records.jobs import FinetuningProvider, Job, JobStatus, Submission
from toolhone.training.providers.provider import TrainingRequest

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

    with anyio.fail_after(60):
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
    with anyio.fail_after(60):
        await shop.runner.run(until_idle=True)

    assert job.cancel_requested
    assert (await shop.board.job(job_id)).status is JobStatus.CANCELLED
    assert shop.provider.submits == 0


async def test_of_two_approvals_at_once_one_is_recorded(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = [open_shop(), open_shop()]
    plan = await shops[0].planner.estimate(shops[0].config(), shops[0].manifest, shops[0].folder)
    job = await shops[0].board.create(plan.plan_id, caller=paper.CALLER)
    together = threading.Barrier(2)

    def after_both_have_looked(shop: "Shop") -> None:
        inner = shop.store.update

        def update(*args: object, **more: object) -> Job | None:
            together.wait(timeout=20)
            return inner(*args, **more)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(shop.store, "update", update)

    async def approve(shop: "Shop") -> None:
        approved = await shop.board.approve(job.job_id, caller=paper.CALLER)
        assert approved.status is JobStatus.QUEUED

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for shop in shops:
                after_both_have_looked(shop)
                tasks.start_soon(approve, shop)

    recorded = [event.payload["what"] for shop in shops for event in shop.audited]
    assert recorded.count("approved") == 1


async def needing_attention(shop: "Shop", paper: ModuleType, *, provider_job_id: str | None) -> str:
    """A job whose training was asked for, and perhaps heard of."""
    job_id = await shop.approved()
    key = f"{job_id}.1"
    shop.store.begin_submission(Submission(job_id=job_id, attempt=1, key=key, at=paper.AT))
    if provider_job_id is not None:
        shop.store.finish_submission(job_id, 1, provider_job_id)
    shop.store.update(job_id, {"status": JobStatus.NEEDS_ATTENTION}, at=paper.AT)
    return job_id


@pytest.mark.parametrize("known", [True, False])
async def test_a_job_that_needs_attention_is_cancelled_and_its_provider_told(
    open_shop: Open, paper: ModuleType, known: bool
) -> None:
    shop = open_shop()
    job_id = await needing_attention(shop, paper, provider_job_id="ft-1" if known else None)
    if not known:
        (shop.provider.folder / "submits").write_text(f"{job_id}.1\n")

    job = await shop.board.cancel(job_id, caller=paper.CALLER)

    assert (job.status, shop.provider.cancelled) == (JobStatus.CANCELLED, True)
    assert job.error is not None and "was told to stop 'ft-" in job.error
    assert shop.audited[-1].payload["what"] == "cancelled"
    with pytest.raises(InvalidRequestError, match="is over already: cancelled"):
        await shop.board.cancel(job_id, caller=paper.CALLER)


async def test_a_job_that_needs_attention_ends_even_if_its_provider_cannot_be_told(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    job_id = await needing_attention(shop, paper, provider_job_id="ft-1")

    async def down(*_: object) -> None:
        raise ProviderUnavailableError("It is down.")

    monkeypatch.setattr(shop.provider, "cancel", down)
    job = await shop.board.cancel(job_id, caller=paper.CALLER)

    assert (job.status, shop.provider.cancelled) == (JobStatus.CANCELLED, False)
    assert job.error is not None
    assert job.error.endswith("may go on and cost: It is down. Look for 'ft-1' there.")


async def test_a_provider_that_does_not_answer_is_not_waited_for_for_ever(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    submission = Submission(job_id="j", attempt=1, key="j.1", at=paper.AT, provider_job_id="ft-1")
    request = TrainingRequest(
        job_id="j",
        key="j.1",
        category=Category.CORE_SECURITY,
        config=shop.config(),
        manifest=shop.manifest,
        dataset=shop.folder,
        workspace=shop.folder,
    )

    async def silent(*_: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(shop.provider, "cancel", silent)
    with anyio.fail_after(30):
        said = await stop_leftover(
            {FinetuningProvider.OPENAI: shop.provider}, request, submission, seconds=0.01
        )
    assert "did not answer in 0.01 seconds. Look for 'ft-1' there." in said


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
        with anyio.fail_after(60):
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
