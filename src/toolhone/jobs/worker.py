"""Makes sure that some process runs the jobs of a data folder, after the one that created them has ended."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread

from toolhone.jobs.lock import JobsLock

LOG = "jobs.log"

_DETACH = """
import subprocess, sys
with open(sys.argv[1], "ab") as log:
    subprocess.Popen(
        sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
    )
"""
"""Run by a process that ends at once, so that nobody here is left to wait for the worker."""


async def ensure_worker(folder: Path, environ: Mapping[str, str]) -> bool:
    """Start `toolhone jobs work` unless a process runs the jobs of this folder; whether one was started.

    Two that are started at once do no harm: one gets the lock, the other waits until nothing is left.
    """
    return await anyio.to_thread.run_sync(_ensure, folder, dict(environ))


def _ensure(folder: Path, environ: dict[str, str]) -> bool:
    if JobsLock(folder).taken():
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / LOG).touch(mode=0o600)
    work = [sys.executable, "-m", "toolhone", "jobs", "work", "--data", str(folder)]
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", _DETACH, str(folder / LOG), *work],
        stdin=subprocess.DEVNULL,
        env=environ,
        check=True,
    )
    return True
