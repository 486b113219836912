"""`toolhone jobs`: plans, budgets and jobs from the command line."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from rich.console import Console

from toolhone.cli.curves import draw
from toolhone.cli.job_watching import picture
from toolhone.models import Category, Json
from toolhone.records.course import losses
from toolhone.records.jobs import (
    Estimate,
    FinetuningConfig,
    FinetuningProvider,
    Job,
    JobEvent,
    JobStatus,
    Plan,
)
from toolhone.storage.jobs import SqliteJobStore

Run: TypeAlias = Callable[..., Json]

AT = "2026-01-31T12:00:00.000000+00:00"
CONFIG = FinetuningConfig(category=Category.CORE_SECURITY)
JOB = Job(
    job_id="finetune_core_security_20260131_120000_abcdef",
    plan_id="plan_1",
    category=Category.CORE_SECURITY,
    provider=FinetuningProvider.OPENAI,
    dataset_id="d",
    config=CONFIG,
    status=JobStatus.AWAITING_APPROVAL,
    created_at=AT,
    updated_at=AT,
)


@pytest.fixture
def waiting(home: Path) -> Path:
    """A data folder with a job that waits for approval; its dataset is gone."""
    folder = home / "data" / "toolhone"
    store = SqliteJobStore(folder)
    estimate = Estimate(trained_tokens=7, cost_usd=1.5, upper_bound_usd=2.5, price_source="a table")
    store.add_plan(
        Plan(
            plan_id="plan_1",
            created_at=AT,
            expires_at="2099",
            dataset_id="d",
            dataset_hash="h",
            config=CONFIG,
            estimate=estimate,
            needs_approval=True,
        )
    )
    store.create(JOB)
    store.close()
    return folder


@pytest.mark.usefixtures("waiting")
def test_a_job_is_listed_shown_and_cancelled(run: Run) -> None:
    listed = run("jobs", "list", "--json").json
    assert [job["job_id"] for job in listed] == [JOB.job_id]
    assert "awaiting_approval" in run("jobs", "list").stdout
    assert run("jobs", "list", "--status", "running", "--json").json == []
    assert f"toolhone jobs approve {JOB.job_id}" in run("jobs", "show", JOB.job_id).stdout

    cancelled = run("jobs", "cancel", JOB.job_id, "--json")
    assert (cancelled.exit_code, cancelled.json["status"]) == (0, "cancelled")
    told = [event["message"] for event in run("jobs", "events", JOB.job_id, "--json").json]
    assert told == ["Created, awaiting_approval.", "Cancelled by local before it began."]
    assert "Cancelled by local" in run("jobs", "events", JOB.job_id).stdout

    again = run("jobs", "cancel", JOB.job_id)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "is over already: cancelled" in again.stderr


@pytest.mark.usefixtures("waiting")
def test_a_job_that_waits_for_approval_is_not_waited_for(run: Run) -> None:
    watched = run("jobs", "watch", JOB.job_id, "--json")

    assert watched.exit_code == 1
    assert json.loads(watched.stdout)["status"] == "awaiting_approval"
    assert f"toolhone jobs approve {JOB.job_id}" in watched.stderr


@pytest.mark.usefixtures("waiting")
def test_a_job_without_its_dataset_is_not_approved(run: Run) -> None:
    refused = run("jobs", "approve", JOB.job_id)

    assert refused.exit_code == 1
    assert "'d'" in refused.stderr
    assert run("jobs", "show", JOB.job_id, "--json").json["status"] == "awaiting_approval"


def test_a_budget_is_set_shown_and_taken_away(run: Run) -> None:
    assert "no limit" in run("jobs", "budget", "core_security").stdout
    assert run("jobs", "budget", "core_security", "12.5", "--json").json == {
        "category": "core_security",
        "limit_usd": 12.5,
        "reserved_usd": 0.0,
        "spent_usd": 0.0,
    }
    assert "$12.50" in run("jobs", "budget", "core_security").stdout
    assert "no limit" in run("jobs", "budget", "core_security", "--unlimited").stdout


def test_bad_options_are_refused_with_the_name_of_the_value(run: Run) -> None:
    wrong = run("jobs", "estimate", "--category", "core_security", "--epochs", "99")
    assert (wrong.exit_code, "n_epochs" in wrong.stderr) == (1, True)
    assert "--category" in run("jobs", "create").stderr
    both = run("jobs", "create", "--plan", "plan_1", "--epochs", "3")
    assert "either --plan or other options" in both.stderr
    assert "no plan 'nonsense'" in run("jobs", "create", "--plan", "nonsense").stderr


def test_work_with_nothing_to_do_ends_at_once_and_makes_nothing(run: Run, home: Path) -> None:
    assert run("jobs", "work").exit_code == 0
    assert not (home / "data" / "toolhone" / "jobs.db").exists()


def test_a_curve_goes_from_its_first_point_to_its_last() -> None:
    drawn = draw([[(0, 1.0), (10, 0.0)], [(10, 1.0)]], width=5, height=3)

    assert drawn is not None
    assert (drawn.low, drawn.high) == (0.0, 1.0)
    assert [len(line) for line in drawn.lines] == [5, 5, 5]
    assert drawn.lines[0][0] != "⠀" and drawn.lines[2][4] != "⠀" and drawn.lines[2][0] == "⠀"
    assert (drawn.owners[0][0], drawn.owners[0][4], drawn.owners[2][0]) == (0, 1, None)
    assert draw([[], []], width=5, height=3) is None


def test_the_picture_shows_the_losses_of_the_attempt_that_runs() -> None:
    job = replace(JOB, status=JobStatus.RUNNING, attempt=2, progress=0.5, cost_usd=1.25, step=2, steps=4)
    events = [
        JobEvent(seq=seq, job_id=JOB.job_id, at=AT, kind="metrics", message="", data=data)
        for seq, data in enumerate(
            [
                {"attempt": 1, "step": 1, "training_loss": 99.0},
                {"attempt": 2, "step": 1, "training_loss": 2.0},
                {"attempt": 2, "step": 2, "training_loss": 1.0, "validation_loss": 1.5},
            ]
        )
    ]
    assert losses(events, "training_loss", attempt=job.attempt) == [(1, 2.0), (2, 1.0)]

    screen = Console(width=80, record=True, file=io.StringIO())
    screen.print(picture(job, events, width=72))
    shown = screen.export_text()

    assert "running" in shown and "50%" in shown and "$1.25" in shown and "step 2 of 4" in shown
    assert "2.0000" in shown and "99.0" not in shown
    assert "training loss 1.0000" in shown and "validation loss 1.5000" in shown
