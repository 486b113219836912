"""Plans, jobs with their events, paid steps and budgets in `jobs_state.db`.

The rows are the truth about a job for every process of the data folder, so each change is one transaction
with the event that tells of it. Commits wait for the disk itself: the row that guards a paid step must
outlive a power loss.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from toolhone.exceptions import DamagedStorageError, NotFoundError
from toolhone.models import Category, Json, JsonObject, canonical_json
from toolhone.records.course import JobCourse
from toolhone.records.jobs import Job, JobEvent, JobStatus, Plan, Submission
from toolhone.storage.job_course import course_of, event_of
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

T = TypeVar("T")

NAMED = 5
"""Jobs that the message about an unknown one names."""


def create_jobs(db: "Database") -> None:
    """A job's row carries the whole job as JSON; beside it is what rows are looked up by."""
    db.conn.execute(
        """
        CREATE TABLE plans (
            plan_id TEXT PRIMARY KEY,
            created_at TEXT NOT NULL,
            plan TEXT NOT NULL
        )
        """
    )
    db.conn.execute(
        """
        CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL UNIQUE,
            plan_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            status TEXT NOT NULL,
            job TEXT NOT NULL
        )
        """
    )
    db.conn.execute("CREATE INDEX jobs_by_status ON jobs (status, seq)")
    db.conn.execute("CREATE INDEX jobs_by_category ON jobs (category, seq)")
    db.conn.execute(
        """
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            message TEXT NOT NULL,
            data TEXT NOT NULL
        )
        """
    )
    db.conn.execute("CREATE INDEX events_of_a_job ON events (job_id, seq)")
    db.conn.execute(
        """
        CREATE TABLE submissions (
            job_id TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            key TEXT NOT NULL UNIQUE,
            at TEXT NOT NULL,
            provider_job_id TEXT,
            PRIMARY KEY (job_id, attempt)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute(
        """
        CREATE TABLE budgets (
            category TEXT PRIMARY KEY,
            limit_usd REAL,
            at TEXT NOT NULL
        ) WITHOUT ROWID
        """
    )
    db.conn.execute(
        """
        CREATE TABLE ledger (
            job_id TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            category TEXT NOT NULL,
            reserved REAL NOT NULL,
            spent REAL NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (job_id, attempt)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute("CREATE INDEX ledger_of_a_category ON ledger (category, reserved, spent)")


JOBS = Schema(name="toolhone.jobs", steps=(create_jobs,))


class SqliteJobStore:
    """Jobs in `jobs_state.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "jobs_state.db", JOBS, durable=True)

    def add_plan(self, plan: Plan) -> None:
        body = _plans().dump_json(plan).decode()
        self._file.write(
            lambda connection: connection.execute(
                "INSERT INTO plans (plan_id, created_at, plan) VALUES (?, ?, ?)",
                (plan.plan_id, plan.created_at, body),
            )
        )

    def plan(self, plan_id: str) -> Plan:
        row = self._one("SELECT plan FROM plans WHERE plan_id = ?", (plan_id,))
        if row is None:
            raise NotFoundError(
                f"There is no plan {plan_id!r}. Make one with estimate_finetuning (toolhone jobs estimate)."
            )
        return self._read(_plans(), row[0], f"the plan {plan_id!r}")

    def create(self, job: Job) -> Job:
        def work(connection: sqlite3.Connection) -> Job:
            row = connection.execute("SELECT job FROM jobs WHERE plan_id = ?", (job.plan_id,)).fetchone()
            if row is not None:
                return self._read(_jobs(), row[0], f"the job of the plan {job.plan_id!r}")
            connection.execute(
                "INSERT INTO jobs (job_id, plan_id, category, status, job) VALUES (?, ?, ?, ?, ?)",
                (job.job_id, job.plan_id, job.category.value, job.status.value, _written(job)),
            )
            _add_event(
                connection, job.job_id, job.created_at, ("status", f"Created, {job.status.value}.", {})
            )
            return job

        return self._file.write(work)

    def job(self, job_id: str) -> Job:
        row = self._one("SELECT job FROM jobs WHERE job_id = ?", (job_id,))
        if row is None:
            raise self._unknown(job_id)
        return self._read(_jobs(), row[0], f"the job {job_id!r}")

    def jobs(
        self,
        *,
        category: Category | None = None,
        status: Sequence[JobStatus] | None = None,
        limit: int | None = 50,
    ) -> list[Job]:
        # Clauses only for what is asked, so that the look for runnable jobs goes by its index.
        clauses: list[str] = []
        parameters: list[object] = []
        if category is not None:
            clauses.append("category = ?")
            parameters.append(category.value)
        if status is not None:
            clauses.append("status IN (SELECT value FROM json_each(?))")
            parameters.append(json.dumps([one.value for one in status]))
        where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
        rows = self._all(
            f"SELECT job FROM jobs {where}ORDER BY seq DESC LIMIT ?",  # noqa: S608 - constant clauses
            (*parameters, -1 if limit is None else limit),
        )
        return [self._read(_jobs(), row[0], "a job") for row in rows]

    def update(
        self,
        job_id: str,
        changes: Mapping[str, object],
        *,
        at: str,
        event: tuple[str, str, JsonObject] | None = None,
        only_from: Sequence[JobStatus] | None = None,
    ) -> Job | None:
        def work(connection: sqlite3.Connection) -> Job | None:
            row = connection.execute("SELECT job FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
            if row is None:
                return None
            job = self._read(_jobs(), row[0], f"the job {job_id!r}")
            if only_from is not None and job.status not in only_from:
                return None
            changed = replace(job, **{**changes, "updated_at": at})  # pyright: ignore[reportArgumentType]
            connection.execute(
                "UPDATE jobs SET status = ?, job = ? WHERE job_id = ?",
                (changed.status.value, _written(changed), job_id),
            )
            if event is not None:
                _add_event(connection, job_id, at, event)
            return changed

        if not self._file.exists():
            raise self._unknown(job_id)
        changed = self._file.write(work)
        if changed is None:
            self.job(job_id)  # raises if there is none
        return changed

    def events(self, job_id: str, *, after: int = 0, limit: int | None = None) -> list[JobEvent]:
        rows = self._all(
            "SELECT seq, at, kind, message, data FROM events WHERE job_id = ? AND seq > ? "
            "ORDER BY seq LIMIT ?",
            (job_id, after, -1 if limit is None else limit),
        )
        return [event_of(job_id, row) for row in rows]

    def course(self, job_id: str, *, attempt: int, said: int, points: int) -> JobCourse:
        if not self._file.exists():
            return JobCourse(said=[], earlier=0, drawn=[])
        return self._file.read(
            lambda connection: course_of(connection, job_id, attempt=attempt, said=said, points=points)
        )

    def begin_submission(self, submission: Submission) -> Submission:
        def work(connection: sqlite3.Connection) -> Submission:
            found = _submission(connection, submission.job_id, submission.attempt)
            if found is not None:
                return found
            connection.execute(
                "INSERT INTO submissions (job_id, attempt, key, at, provider_job_id) VALUES (?, ?, ?, ?, ?)",
                (
                    submission.job_id,
                    submission.attempt,
                    submission.key,
                    submission.at,
                    submission.provider_job_id,
                ),
            )
            return submission

        return self._file.write(work)

    def finish_submission(self, job_id: str, attempt: int, provider_job_id: str) -> None:
        self._file.write(
            lambda connection: connection.execute(
                "UPDATE submissions SET provider_job_id = ? WHERE job_id = ? AND attempt = ?",
                (provider_job_id, job_id, attempt),
            )
        )

    def submission(self, job_id: str, attempt: int) -> Submission | None:
        if not self._file.exists():
            return None
        return self._file.read(lambda connection: _submission(connection, job_id, attempt))

    def budget(self, category: Category) -> tuple[float | None, float, float]:
        if not self._file.exists():
            return None, 0.0, 0.0
        return self._file.read(lambda connection: _budget(connection, category))

    def set_budget(self, category: Category, limit_usd: float | None, *, at: str) -> None:
        self._file.write(
            lambda connection: connection.execute(
                "INSERT INTO budgets (category, limit_usd, at) VALUES (?, ?, ?) "
                "ON CONFLICT (category) DO UPDATE SET limit_usd = excluded.limit_usd, at = excluded.at",
                (category.value, limit_usd, at),
            )
        )

    def reserve(self, job_id: str, category: Category, amount_usd: float, *, at: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            attempt = _attempt(connection, job_id)
            key = (job_id, attempt)
            if connection.execute("SELECT 1 FROM ledger WHERE job_id = ? AND attempt = ?", key).fetchone():
                return True
            limit, reserved, spent = _budget(connection, category)
            if limit is not None and reserved + spent + amount_usd > limit:
                return False
            connection.execute(
                "INSERT INTO ledger (job_id, attempt, category, reserved, spent, at) "
                "VALUES (?, ?, ?, ?, 0, ?)",
                (job_id, attempt, category.value, amount_usd, at),
            )
            return True

        return self._file.write(work)

    def settle(self, job_id: str, spent_usd: float, *, at: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            # What was once known to be spent is not given back by a later, smaller figure.
            connection.execute(
                "UPDATE ledger SET reserved = 0, spent = max(spent, ?), at = ? "
                "WHERE job_id = ? AND attempt = ?",
                (spent_usd, at, job_id, _attempt(connection, job_id)),
            )

        self._file.write(work)

    def spent(self, category: Category | None = None) -> float:
        where, parameters = ("", ()) if category is None else ("WHERE category = ?", (category.value,))
        row = self._one(
            f"SELECT coalesce(sum(spent), 0) FROM ledger {where}",  # noqa: S608 - constant clauses
            parameters,
        )
        return 0.0 if row is None else float(row[0])

    def close(self) -> None:
        self._file.close()

    def _one(self, statement: str, parameters: tuple[object, ...]) -> tuple[Json, ...] | None:
        return next(iter(self._all(statement, parameters)), None)

    def _all(self, statement: str, parameters: tuple[object, ...]) -> list[tuple[Json, ...]]:
        if not self._file.exists():
            return []
        return self._file.read(lambda connection: connection.execute(statement, parameters).fetchall())

    def _read(self, kind: TypeAdapter[T], text: str, what: str) -> T:
        try:
            return kind.validate_json(text)
        except ValidationError as exc:
            raise DamagedStorageError(
                f"{what[:1].upper()}{what[1:]} in {str(self._file.path)!r} cannot be read: {exc}. "
                "Bring back a copy of the file, or move it away to start afresh."
            ) from exc

    def _unknown(self, job_id: str) -> NotFoundError:
        newest = [job.job_id for job in self.jobs(limit=NAMED)]
        there = f"The newest are {', '.join(newest)}." if newest else "There is none yet."
        return NotFoundError(f"There is no job {job_id!r}. {there}")


@cache
def _plans() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


@cache
def _jobs() -> TypeAdapter[Job]:
    return TypeAdapter(Job)


def _written(job: Job) -> str:
    return _jobs().dump_json(job).decode()


def _add_event(
    connection: sqlite3.Connection, job_id: str, at: str, event: tuple[str, str, JsonObject]
) -> None:
    kind, message, data = event
    connection.execute(
        "INSERT INTO events (job_id, at, kind, message, data) VALUES (?, ?, ?, ?, ?)",
        (job_id, at, kind, message, canonical_json(data)),
    )


def _submission(connection: sqlite3.Connection, job_id: str, attempt: int) -> Submission | None:
    row = connection.execute(
        "SELECT key, at, provider_job_id FROM submissions WHERE job_id = ? AND attempt = ?", (job_id, attempt)
    ).fetchone()
    if row is None:
        return None
    key, at, provider_job_id = row
    return Submission(job_id=job_id, attempt=attempt, key=key, at=at, provider_job_id=provider_job_id)


def _attempt(connection: sqlite3.Connection, job_id: str) -> int:
    """Each attempt has a line of its own in the ledger: what an earlier one spent stays spent."""
    row = connection.execute(
        "SELECT json_extract(job, '$.attempt') FROM jobs WHERE job_id = ?", (job_id,)
    ).fetchone()
    return 1 if row is None else int(row[0])


def _budget(connection: sqlite3.Connection, category: Category) -> tuple[float | None, float, float]:
    limit = connection.execute(
        "SELECT limit_usd FROM budgets WHERE category = ?", (category.value,)
    ).fetchone()
    reserved, spent = connection.execute(
        "SELECT coalesce(sum(reserved), 0), coalesce(sum(spent), 0) FROM ledger WHERE category = ?",
        (category.value,),
    ).fetchone()
    return (None if limit is None else limit[0]), float(reserved), float(spent)
