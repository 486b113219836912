"""What every store of jobs does."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.models import Category, JsonObject
from toolhone.records.jobs import (
    Estimate,
    FinetuningConfig,
    FinetuningProvider,
    Job,
    JobStatus,
    Plan,
    Submission,
)
from toolhone.records.stores import JobStore
from toolhone.storage.jobs import SqliteJobStore

AT = "2026-01-31T12:00:00.000000+00:00"
SECURITY = Category.CORE_SECURITY
CONFIG = FinetuningConfig(category=SECURITY, tags=("a", "b"), learning_rate=3e-5)


def a_plan(plan_id: str = "plan_1") -> Plan:
    estimate = Estimate(
        trained_tokens=7,
        cost_usd=1.5,
        upper_bound_usd=2.5,
        price_source="a table",
        honoured={"n_epochs": 3},
        warnings=("old",),
    )
    return Plan(
        plan_id=plan_id,
        created_at=AT,
        expires_at=AT,
        dataset_id="d",
        dataset_hash="h",
        config=CONFIG,
        estimate=estimate,
        needs_approval=True,
    )


def a_job(job_id: str = "job_1", plan_id: str = "plan_1", status: JobStatus = JobStatus.QUEUED) -> Job:
    return Job(
        job_id=job_id,
        plan_id=plan_id,
        category=SECURITY,
        provider=FinetuningProvider.LOCAL,
        dataset_id="d",
        config=CONFIG,
        status=status,
        created_at=AT,
        updated_at=AT,
    )


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path / "data")

    assert (store.jobs(), store.events("j"), store.submission("j", 1)) == ([], [], None)
    assert store.budget(SECURITY) == (None, 0.0, 0.0)
    assert store.spent() == 0.0
    with pytest.raises(InvalidRequestError, match="no plan 'p'"):
        store.plan("p")
    with pytest.raises(InvalidRequestError, match="no job 'j'"):
        store.update("j", {}, at=AT)
    store.close()

    assert not (tmp_path / "data").exists()


def test_plans_and_jobs_come_back_as_they_went_in(job_store: JobStore) -> None:
    job_store.add_plan(a_plan())
    job_store.create(a_job())

    assert job_store.plan("plan_1") == a_plan()
    assert job_store.job("job_1") == a_job()


def test_a_plan_has_one_job(job_store: JobStore) -> None:
    assert job_store.create(a_job()) == a_job()
    assert job_store.create(a_job("job_2")) == a_job()
    assert job_store.jobs() == [a_job()]


def test_jobs_are_found_by_category_and_status_newest_first(job_store: JobStore) -> None:
    for number, status in enumerate([JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.QUEUED]):
        job_store.create(a_job(f"job_{number}", f"plan_{number}", status))

    def ids(**query: object) -> list[str]:
        return [job.job_id for job in job_store.jobs(**query)]  # pyright: ignore[reportArgumentType]

    assert ids() == ["job_2", "job_1", "job_0"]
    assert ids(status=[JobStatus.QUEUED], limit=1) == ["job_2"]
    assert ids(status=[]) == []
    assert ids(category=Category.ECOMMERCE) == []
    with pytest.raises(InvalidRequestError, match="newest are job_2, job_1, job_0"):
        job_store.job("nonsense")


def test_a_change_and_its_event_are_one(job_store: JobStore) -> None:
    job_store.create(a_job())

    changed = job_store.update(
        "job_1",
        {"status": JobStatus.RUNNING, "verdict": {"n": 1}},
        at="2027",
        event=("status", "On.", {"a": 1}),
    )
    expected = replace(a_job(), status=JobStatus.RUNNING, verdict={"n": 1}, updated_at="2027")
    assert changed == job_store.job("job_1") == expected
    with pytest.raises(TypeError):
        job_store.update("job_1", {"nonsense": 1}, at="2028", event=("status", "Never.", {}))
    assert (
        job_store.update("job_1", {}, at="2028", event=("status", "Never.", {}), only_from=[JobStatus.QUEUED])
        is None
    )

    first, second = job_store.events("job_1")
    assert (second.kind, second.message, second.data, second.at) == ("status", "On.", {"a": 1}, "2027")
    assert job_store.events("job_1", after=first.seq) == [second]
    assert job_store.events("job_1", limit=1) == [first]


def note(store: JobStore, kind: str, data: JsonObject, *, job_id: str = "job_1", message: str = "") -> None:
    store.update(job_id, {}, at="2027", event=(kind, message, data))


def test_a_course_has_what_was_said_last_and_figures_of_one_attempt(job_store: JobStore) -> None:
    for number in (1, 2):
        job_store.create(a_job(f"job_{number}", f"plan_{number}"))
    for attempt in (1, 2):
        note(job_store, "status", {}, message=f"attempt {attempt}")
        for step in range(40):
            validation = {"validation_loss": 0.5} if step == 17 else {}
            if step == 22:
                note(job_store, "cost", {"attempt": attempt, "cost_usd": 1.0})
            note(job_store, "metrics", {"attempt": attempt, "step": step, **validation})
            note(job_store, "metrics", {"attempt": attempt, "step": -1}, job_id="job_2")
        note(job_store, "cost", {"attempt": attempt, "cost_usd": 3.0})

    course = job_store.course("job_1", attempt=2, said=2, points=5)

    assert [event.message for event in course.said] == ["attempt 2", "attempt 1"]
    assert course.earlier == len(job_store.events("job_1")) - 84 - 2
    assert {event.data["attempt"] for event in course.drawn} == {2}
    steps = [event.data["step"] for event in course.drawn if event.kind == "metrics"]
    assert (steps[0], course.drawn[-1].kind) == (0, "cost")
    assert 17 in steps
    assert [event.data["cost_usd"] for event in course.drawn if event.kind == "cost"] == [1.0, 3.0]
    assert len(course.drawn) <= 3 * 5
    assert course.drawn == sorted(course.drawn, key=lambda event: event.seq)
    everything = job_store.course("job_1", attempt=2, said=1, points=1_000)
    assert len(everything.drawn) == 42


def test_a_course_of_nothing_is_empty(job_store: JobStore, tmp_path: Path) -> None:
    unknown = SqliteJobStore(tmp_path / "nothing").course("job_1", attempt=1, said=5, points=5)
    assert (unknown.said, unknown.earlier, unknown.drawn) == ([], 0, [])
    assert not (tmp_path / "nothing").exists()

    job_store.create(a_job())
    assert job_store.course("job_1", attempt=1, said=5, points=5).drawn == []
    note(job_store, "metrics", {"attempt": 1, "step": 1})
    assert job_store.course("job_1", attempt=2, said=5, points=5).drawn == []


@settings(deadline=None, max_examples=10)
@given(
    attempts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    strangers=st.lists(st.booleans(), min_size=160, max_size=160),
    points=st.integers(1, 60),
)
def test_a_course_has_the_ends_of_an_attempt_whatever_lies_between(
    attempts: list[int], strangers: list[bool], points: int
) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteJobStore(Path(folder))
        for number in (1, 2):
            store.create(a_job(f"job_{number}", f"plan_{number}"))
        others = iter(strangers)
        for attempt, steps in enumerate(attempts, 1):
            for step in range(steps):
                note(store, "metrics", {"attempt": attempt, "step": step})
                if next(others):
                    note(store, "metrics", {"attempt": 9, "step": step}, job_id="job_2")

        for attempt, steps in enumerate(attempts, 1):
            later = attempt < len(attempts)
            drawn = store.course("job_1", attempt=attempt, said=0, points=points).drawn
            own = [event.data["step"] for event in drawn if event.data["attempt"] == attempt]
            assert own[0] == 0
            assert later or own[-1] == steps - 1
            assert {event.job_id for event in drawn} == {"job_1"}
            assert len(drawn) <= points + 2
        store.close()


def test_a_submission_is_begun_once_for_each_attempt(job_store: JobStore) -> None:
    first = Submission(job_id="job_1", attempt=1, key="k1", at=AT)
    assert job_store.begin_submission(first) == first
    assert job_store.begin_submission(replace(first, key="other", at="2027")) == first
    job_store.finish_submission("job_1", 1, "ft-1")

    assert job_store.submission("job_1", 1) == replace(first, provider_job_id="ft-1")
    second = replace(first, attempt=2, key="k2")
    assert job_store.begin_submission(second) == second
    with pytest.raises(StorageError):
        job_store.begin_submission(replace(first, attempt=3))  # a key is of one attempt alone


def test_a_budget_is_reserved_spent_and_kept_over_attempts(job_store: JobStore) -> None:
    job_store.create(a_job())
    job_store.set_budget(SECURITY, 10.0, at=AT)

    assert job_store.reserve("job_1", SECURITY, 6.0, at=AT)
    assert job_store.reserve("job_1", SECURITY, 6.0, at=AT)
    assert job_store.budget(SECURITY) == (10.0, 6.0, 0.0)
    assert not job_store.reserve("job_2", SECURITY, 5.0, at=AT)
    job_store.settle("job_1", 4.0, at=AT)
    job_store.settle("job_1", 5.0, at=AT)
    job_store.settle("job_1", 3.0, at=AT)
    assert job_store.budget(SECURITY) == (10.0, 0.0, 5.0)

    job_store.update("job_1", {"attempt": 2}, at=AT)
    assert not job_store.reserve("job_1", SECURITY, 6.0, at=AT)
    assert job_store.reserve("job_1", SECURITY, 5.0, at=AT)
    job_store.settle("job_1", 1.0, at=AT)
    assert job_store.budget(SECURITY) == (10.0, 0.0, 6.0)
    assert job_store.reserve("compare_1", Category.GENERAL, 2.0, at=AT)
    job_store.settle("compare_1", 1.5, at=AT)
    assert job_store.spent() == 7.5, "of all attempts, and of what is no job"
    assert (job_store.spent(SECURITY), job_store.spent(Category.ECOMMERCE)) == (6.0, 0.0)
    job_store.set_budget(SECURITY, None, at=AT)
    assert job_store.budget(SECURITY)[0] is None


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 8), st.booleans()), max_size=12)
)
@settings(deadline=None, max_examples=15)
def test_what_is_reserved_and_spent_never_passes_the_limit_if_jobs_keep_to_what_they_reserved(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, bool]]
) -> None:
    store = SqliteJobStore(tmp_path_factory.mktemp("budget"))
    store.set_budget(SECURITY, 10.0, at=AT)
    held: dict[int, int] = {}
    for job, amount, spent, settles in steps:
        if job not in held and store.reserve(f"job_{job}", SECURITY, amount, at=AT):
            held[job] = amount
        if settles and job in held:
            # What is not spent when it is settled goes to others, so later figures must not be higher.
            held[job] = min(spent, held[job])
            store.settle(f"job_{job}", held[job], at=AT)
        _, reserved, paid = store.budget(SECURITY)
        assert reserved + paid <= 10.0
    store.close()
