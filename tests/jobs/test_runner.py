"""A job from its plan to its model, and what goes wrong on the way."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest

from toolhone.exceptions import (
    InvalidRequestError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    StorageError,
    ToolhoneError,
)
from toolhone.jobs.lock import JobsLock
from toolhone.models import Category, JsonObject
from toolhone.records.jobs import Job, JobStatus, ModelRecord
from toolhone.training.lineage import HeldOut
from toolhone.training.providers.provider import Phase, Polled, TrainingRequest

if TYPE_CHECKING:
    from jobs.scripts.paper import Shop

Open: TypeAlias = "Callable[..., Shop]"


async def ended(shop: "Shop", job_id: str) -> Job:
    """The job, after everything that can run has run."""
    with anyio.fail_after(30):
        await shop.runner.run(until_idle=True)
    return await shop.board.job(job_id)


async def test_a_job_runs_from_its_plan_to_its_model(open_shop: Open) -> None:
    shop = open_shop(durable=True)
    job = await ended(shop, await shop.approved())

    assert (job.status, job.error) == (JobStatus.SUCCEEDED, None)
    assert (job.model_id, job.artifact_hash) == ("tuned", "sha256:" + "1" * 64)
    assert (job.validation_score, job.base_score) == (1.0, 0.0)
    assert (job.training_loss, job.step, job.progress) == (0.1, 2, 1.0)
    # The training, and two answers to one question.
    assert job.cost_usd == pytest.approx(2.02)
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, pytest.approx(2.02))
    assert shop.models.model("tuned").passed
    events = await shop.board.events(job.job_id)
    assert [event.data["step"] for event in events if event.kind == "metrics"] == [1, 2]
    assert [str(event.payload["what"]) for event in shop.audited] == ["created", "approved", "ended"]
    assert shop.audited[-1].payload["outcome"] == "succeeded"


async def test_what_a_training_costs_is_noted_on_the_way_and_not_too_often(
    open_shop: Open, paper: ModuleType
) -> None:
    # Of at most 5 dollars: a cent more is no step of a hundredth of that.
    costs = [1.0, 1.01, 1.04, 2.0, 2.0]
    polls = [Polled(phase=Phase.RUNNING, raw="running", cost_usd=cost) for cost in costs]
    done = Polled(phase=Phase.SUCCEEDED, raw="succeeded", cost_usd=2.5)
    shop = open_shop(paper.Script(polls=(*polls, done)))
    job = await ended(shop, await shop.approved())

    events = await shop.board.events(job.job_id)
    noted = [event.data for event in events if event.kind == "cost"]
    assert [data["cost_usd"] for data in noted] == [1.0, 2.0, 2.5]
    assert {data["attempt"] for data in noted} == {1}


async def test_what_the_base_model_has_learned_already_is_said_in_the_plan_and_the_verdict(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    asked: list[tuple[str, str]] = []

    def held_out(dataset_id: str, base_model: str) -> HeldOut:
        asked.append((dataset_id, base_model))
        return HeldOut(rows=[paper.ROW], warning="It learned one of them.")

    monkeypatch.setattr(shop.planner, "_held_out", held_out)
    monkeypatch.setattr(shop.steps, "_test_rows", held_out)
    job_id = await shop.approved(base_model="ft:base")
    job = await ended(shop, job_id)

    assert "It learned one of them." in shop.store.plan(job.plan_id).estimate.warnings
    assert job.verdict is not None and job.verdict["warnings"] == ["It learned one of them."]
    assert asked == [(job.dataset_id, "ft:base")] * 2

    def nothing(dataset_id: str, base_model: str) -> HeldOut:
        return HeldOut(rows=[], warning="All of them.")

    monkeypatch.setattr(shop.planner, "_held_out", nothing)
    with pytest.raises(InvalidRequestError, match=r"All of them\. Nothing is left to judge by"):
        await shop.approved(base_model="ft:base")


async def test_a_model_that_does_not_pass_is_kept_but_does_not_succeed(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()

    async def refuse(*_: object) -> JsonObject:
        return {"decision": "inconclusive", "why": "Too few rows."}

    monkeypatch.setattr(shop.steps, "_judge", refuse)
    job = await ended(shop, await shop.approved())

    assert (job.status, job.error_code, job.error) == (JobStatus.GATE_FAILED, "gate_failed", "Too few rows.")
    assert not shop.models.model("tuned").passed


async def test_nothing_is_made_and_no_engine_started_while_there_is_no_job(
    open_shop: Open, tmp_path: Path
) -> None:
    shop = open_shop()

    await shop.runner.run(until_idle=True)

    assert {path.name for path in (tmp_path / "data").iterdir()} == {"service"}
    assert not shop.runner.taken()


async def test_a_provider_that_is_down_is_waited_for_in_every_step(
    open_shop: Open, paper: ModuleType
) -> None:
    down: list[ToolhoneError] = [ProviderUnavailableError("Down."), ProviderUnavailableError("Still down.")]
    script = paper.Script(submit_errors=[*down], poll_errors=[*down], answer_errors=[*down])
    shop = open_shop(script)

    job = await ended(shop, await shop.approved())

    assert job.status is JobStatus.SUCCEEDED
    assert shop.provider.submits == 1
    said = [event.message for event in await shop.board.events(job.job_id)]
    assert sum("Down." in message for message in said) == 3


async def test_an_answer_that_is_lost_after_the_training_began_costs_nothing_more(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop(paper.Script(lost_answers=1))

    job = await ended(shop, await shop.approved())

    assert (job.status, shop.provider.submits) == (JobStatus.SUCCEEDED, 1)


async def test_a_refusal_fails_the_job_and_frees_the_budget(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop(paper.Script(submit_errors=[ProviderRefusedError("Not with this key.")]))

    job = await ended(shop, await shop.approved())

    assert (job.status, job.error_code) == (JobStatus.FAILED, "provider_refused")
    assert (job.error, shop.provider.submits) == ("Not with this key.", 0)
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 0.0)


async def test_what_an_earlier_attempt_cost_is_not_forgotten(open_shop: Open, paper: ModuleType) -> None:
    lost = Polled(phase=Phase.FAILED, raw="failed", cost_usd=1.5, error="Out of memory.")
    shop = open_shop(paper.Script(polls=(lost,)))
    failed = await ended(shop, await shop.approved())
    assert (failed.status, shop.board.spent_now()) == (JobStatus.FAILED, 1.5)

    shop.provider.script = paper.Script()
    (shop.provider.folder / "polls").unlink()
    await shop.board.retry(failed.job_id, caller=paper.CALLER)
    await shop.board.approve(failed.job_id, caller=paper.CALLER)
    job = await ended(shop, failed.job_id)

    assert (job.status, job.attempt, job.cost_usd) == (JobStatus.SUCCEEDED, 2, pytest.approx(2.02))
    assert shop.board.spent_now() == pytest.approx(1.5 + 2.02)


async def test_a_training_that_may_have_begun_is_never_begun_twice(
    open_shop: Open, paper: ModuleType
) -> None:
    script = paper.Script(lost_answers=1, find_errors=[ProviderError("No listing here.")])
    shop = open_shop(script)
    job = await ended(shop, await shop.approved())

    assert (job.status, shop.provider.submits) == (JobStatus.NEEDS_ATTENTION, 1)
    assert job.error is not None and f"{job.job_id}.1" in job.error
    # Nobody knows what it cost, so all that was planned counts.
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 5.0)

    again = await shop.board.retry(job.job_id, caller=paper.CALLER)
    assert (again.status, again.attempt) == (JobStatus.QUEUED, 1)
    job = await ended(shop, job.job_id)
    assert (job.status, shop.provider.submits) == (JobStatus.SUCCEEDED, 1)


async def test_a_model_that_could_not_be_asked_is_judged_later_without_training_it_again(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop(paper.Script(answer_errors=[ProviderRefusedError("Deploy it first.")]))
    job = await ended(shop, await shop.approved())
    assert (job.status, job.error) == (JobStatus.NEEDS_ATTENTION, "Deploy it first.")

    await shop.board.retry(job.job_id, caller=paper.CALLER)
    job = await ended(shop, job.job_id)

    assert (job.status, job.attempt, shop.provider.submits) == (JobStatus.SUCCEEDED, 1, 1)


async def test_a_failed_training_is_tried_anew_only_after_it_was_approved_anew(
    open_shop: Open, paper: ModuleType
) -> None:
    failed = Polled(phase=Phase.FAILED, raw="failed", error="Bad rows.", cost_usd=1.0)
    shop = open_shop(paper.Script(polls=(failed,)))
    job = await ended(shop, await shop.approved())
    assert (job.status, job.error) == (JobStatus.FAILED, "The training failed: Bad rows.")

    job = await shop.board.retry(job.job_id, caller=paper.CALLER)
    assert (job.status, job.attempt, job.error) == (JobStatus.AWAITING_APPROVAL, 2, None)
    await ended(shop, job.job_id)
    assert shop.provider.submits == 1

    await shop.board.approve(job.job_id, caller=paper.CALLER)
    job = await ended(shop, job.job_id)
    assert (job.status, shop.provider.submits) == (JobStatus.FAILED, 2)
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 2.0)


async def test_what_costs_more_than_allowed_is_stopped(open_shop: Open, paper: ModuleType) -> None:
    dear = Polled(phase=Phase.RUNNING, raw="running", cost_usd=11.0)
    shop = open_shop(paper.Script(polls=(dear,)))

    job = await ended(shop, await shop.approved(max_training_cost_usd=10))

    assert (job.status, job.error_code) == (JobStatus.COST_STOPPED, "cost_stopped")
    assert job.error == "It cost $11.00, more than max_training_cost_usd ($10.00), and was stopped."
    assert shop.provider.cancelled


async def test_a_bill_over_the_limit_buys_no_answers_as_well(open_shop: Open, paper: ModuleType) -> None:
    dear = Polled(phase=Phase.SUCCEEDED, raw="succeeded", cost_usd=20.0)
    shop = open_shop(paper.Script(polls=(dear,)))

    job = await ended(shop, await shop.approved(max_training_cost_usd=5.0))

    assert (job.status, job.error_code, job.model_id) == (JobStatus.COST_STOPPED, "cost_stopped", "tuned")
    assert not shop.provider.reached("answer").is_set()
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 20.0)


async def test_what_takes_longer_than_allowed_is_stopped(open_shop: Open, paper: ModuleType) -> None:
    shop = open_shop(paper.Script(polls=(Polled(phase=Phase.RUNNING, raw="running"),), hold="poll"))
    job_id = await shop.approved(max_training_hours=2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, shop, job_id)
        with anyio.fail_after(60):
            await shop.provider.reached("poll").wait()
        shop.now += timedelta(hours=3)
        shop.provider.release.set()

    job = await shop.board.job(job_id)
    assert job.status is JobStatus.COST_STOPPED
    assert job.error is not None and "max_training_hours (2 h)" in job.error


@pytest.mark.parametrize("held", ["submit", "poll", "answer"])
async def test_a_running_job_is_cancelled_wherever_it_is(
    open_shop: Open, paper: ModuleType, held: str
) -> None:
    shop = open_shop(paper.Script(hold=held))
    job_id = await shop.approved()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, shop, job_id)
        with anyio.fail_after(60):
            await shop.provider.reached(held).wait()
        job = await shop.board.cancel(job_id, caller=paper.CALLER)
        assert (job.cancel_requested, job.status.final) == (True, False)
        if held != "answer":  # there it is broken off
            shop.provider.release.set()

    job = await shop.board.job(job_id)
    assert job.status is JobStatus.CANCELLED
    assert shop.provider.cancelled is (held != "answer")
    assert shop.store.budget(Category.CORE_SECURITY)[1] == 0


async def test_a_job_waits_for_room_on_the_disk(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    finish, full = shop.store.finish_submission, 3

    def finish_submission(job_id: str, attempt: int, provider_job_id: str) -> None:
        nonlocal full
        if full:
            full -= 1
            raise StorageError("The disk is full.")
        finish(job_id, attempt, provider_job_id)

    monkeypatch.setattr(shop.store, "finish_submission", finish_submission)
    with caplog.at_level(logging.WARNING):
        job = await ended(shop, job_id)

    assert (job.status, shop.provider.submits) == (JobStatus.SUCCEEDED, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "The disk is full. The job waits for it."
    ] * 3


async def test_a_dataset_that_was_changed_after_the_plan_is_not_trained_on(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    shop.manifest = paper.manifest_of(shop.manifest.dataset_id, content_hash="sha256:" + "2" * 64)

    job = await ended(shop, job_id)

    assert (job.status, job.error_code, shop.provider.submits) == (JobStatus.FAILED, "conflict", 0)
    assert job.error is not None and "was changed after the plan" in job.error


REVOKED = {"revoked_at": "2026-11-23T10:11:12.000000+00:00", "revoked_why": "It held what was erased."}


@pytest.mark.parametrize(
    ("held", "stopped"), [("poll", True), ("artifact", False), ("answer", False)], ids=str
)
async def test_of_a_dataset_that_is_revoked_meanwhile_no_model_comes_to_be_used(
    open_shop: Open, paper: ModuleType, held: str, stopped: bool
) -> None:
    going_on = Polled(phase=Phase.RUNNING, raw="running", cost_usd=1.0)
    script = paper.Script(hold=held, polls=(going_on,)) if stopped else paper.Script(hold=held)
    shop = open_shop(script)
    job_id = await shop.approved()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, shop, job_id)
        with anyio.fail_after(60):
            await shop.provider.reached(held).wait()
        shop.manifest = paper.manifest_of(shop.manifest.dataset_id, **REVOKED, replaced_by="d2")
        shop.provider.release.set()

    job = await shop.board.job(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "conflict")
    assert job.error is not None
    assert "was revoked (It held what was erased). Use 'd2'." in job.error
    assert shop.provider.cancelled is stopped
    if stopped:
        assert shop.models.models() == []
        assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 1.5)
    else:
        model = shop.models.model("tuned")
        assert model.tainted is not None and "was revoked" in model.tainted
        # What was revoked before it was judged cannot be judged any more.
        assert model.verdict["decision"] == {"artifact": "unjudged", "answer": "passed"}[held]
    # What was left of its rows: when jobs begin to be run of any, then of this one.
    assert (shop.forgotten[0], shop.forgotten[-1]) == (None, shop.manifest.dataset_id)
    with pytest.raises(InvalidRequestError, match="was revoked"):
        await shop.board.retry(job_id, caller=paper.CALLER)


async def test_a_model_is_marked_whose_dataset_is_revoked_while_it_is_kept(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    kept: list[str | None] = []

    def keep(model: ModelRecord) -> None:
        shop.keep(model)
        kept.append(model.tainted)
        # By an erasure that marked the models a moment before this one was there.
        shop.manifest = paper.manifest_of(shop.manifest.dataset_id, **REVOKED)

    monkeypatch.setattr(shop.steps, "_keep_model", keep)
    job = await ended(shop, await shop.approved())

    assert kept[0] is None and len(kept) == 2
    assert shop.models.model("tuned").tainted is not None
    assert (job.status, job.error_code) == (JobStatus.FAILED, "conflict")


async def test_a_training_that_lost_its_files_is_said_to_have_lost_its_dataset(
    open_shop: Open, paper: ModuleType
) -> None:
    failed = Polled(phase=Phase.FAILED, raw="failed", error="No such file.", cost_usd=1.0)
    shop = open_shop(paper.Script(hold="poll", polls=(failed,)))
    job_id = await shop.approved()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, shop, job_id)
        with anyio.fail_after(60):
            await shop.provider.reached("poll").wait()
        shop.manifest = paper.manifest_of(shop.manifest.dataset_id, **REVOKED)
        shop.provider.release.set()

    job = await shop.board.job(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "conflict")


@pytest.mark.parametrize(("what", "code"), [("revoked", "conflict"), ("dearer", "budget_exceeded")])
async def test_what_is_not_as_planned_any_more_is_not_asked_for_again(
    open_shop: Open, paper: ModuleType, monkeypatch: pytest.MonkeyPatch, what: str, code: str
) -> None:
    """While the provider was down the dataset was revoked, or its price rose."""
    shop = open_shop(paper.Script(submit_errors=[ProviderUnavailableError("Down.")]))
    job_id = await shop.approved()
    submit = shop.provider.submit

    async def then_changed(request: TrainingRequest) -> str:
        try:
            return await submit(request)
        finally:
            if what == "revoked":
                shop.manifest = paper.manifest_of(
                    shop.manifest.dataset_id, revoked_at=paper.AT, revoked_why="Erased."
                )
            else:
                shop.provider.script.upper_bound = 50.0

    monkeypatch.setattr(shop.provider, "submit", then_changed)
    job = await ended(shop, job_id)

    assert (job.status, job.error_code, shop.provider.submits) == (JobStatus.FAILED, code, 0)
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 0.0)


async def test_steps_that_end_without_a_word_leave_the_job_and_what_it_may_have_cost(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    inner = shop.steps.run

    async def silent(name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
        return {"over": True} if name == "follow" else await inner(name, key, done)

    monkeypatch.setattr(shop.steps, "run", silent)
    job = await ended(shop, job_id)

    assert (job.status, job.error_code) == (JobStatus.NEEDS_ATTENTION, "internal_error")
    assert job.error is not None and "ended without a word" in job.error
    # It was started, and nobody saw how it went: all that was planned counts, nothing stays reserved.
    assert (shop.provider.submits, shop.store.budget(job.category)) == (1, (None, 0.0, 5.0))
    assert shop.audited[-1].payload["outcome"] == "needs_attention"


async def test_steps_that_end_without_a_word_before_anything_was_sent_cost_nothing(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    inner = shop.steps.run

    async def silent(name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
        return {"over": True} if name == "submit" else await inner(name, key, done)

    monkeypatch.setattr(shop.steps, "run", silent)
    job = await ended(shop, job_id)

    assert job.status is JobStatus.NEEDS_ATTENTION
    assert (shop.provider.submits, shop.store.budget(job.category)) == (0, (None, 0.0, 0.0))


async def test_a_bug_in_a_step_ends_the_job_with_a_word(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop()

    async def broken(*_: object) -> JsonObject:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(shop.steps, "_judge", broken)
    job = await ended(shop, await shop.approved())

    assert (job.status, job.error_code) == (JobStatus.NEEDS_ATTENTION, "internal_error")
    assert job.error == "The step 'evaluate' failed: ZeroDivisionError: division by zero."


async def test_who_does_not_hold_the_lock_runs_nothing_until_it_is_free(open_shop: Open) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    # As another process would hold it.
    other = JobsLock(shop.folder)
    assert other.acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ended, shop, job_id)
        with anyio.fail_after(60):
            looks = 0
            looked = shop.store.jobs
            enough = anyio.Event()

            def jobs(**query: object) -> list[Job]:
                nonlocal looks
                looks += 1
                if looks == 3:
                    anyio.from_thread.run_sync(enough.set)
                return looked(**query)  # pyright: ignore[reportArgumentType]

            shop.store.jobs = jobs
            await enough.wait()
        assert not shop.runner.working
        assert (await shop.board.job(job_id)).status is JobStatus.QUEUED
        other.release()

    assert (await shop.board.job(job_id)).status is JobStatus.SUCCEEDED


async def test_a_runner_that_is_stopped_in_the_middle_goes_on_later(
    open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop(paper.Script(hold="poll"), durable=True)
    job_id = await shop.approved()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.runner.run)
        with anyio.fail_after(60):
            await shop.provider.reached("poll").wait()
        tasks.cancel_scope.cancel()
    assert not shop.runner.taken()

    later = open_shop(durable=True)
    job = await ended(later, job_id)

    assert (job.status, later.provider.submits) == (JobStatus.SUCCEEDED, 1)
