"""A process that runs jobs is started only where there is none."""

import os
from pathlib import Path

from toolhone.jobs.lock import JobsLock
from toolhone.jobs.worker import ensure_worker


async def test_no_process_is_started_beside_one_that_runs_the_jobs(tmp_path: Path) -> None:
    lock = JobsLock(tmp_path)
    assert lock.acquire()

    assert not await ensure_worker(tmp_path, os.environ)

    lock.release()
    assert not lock.taken()
