"""Jobs that were under way when a backup was made go on in the restored folder, and are paid once."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toolhone.keeping.backup import write_backup
from toolhone.keeping.restore import restore_backup
from toolhone.records.jobs import JobStatus

SCRIPT = Path(__file__).parents[1] / "jobs" / "scripts" / "paper.py"

POINTS = ["submitted, not recorded", "poll 1", "after evaluate"]


@pytest.fixture
def paper() -> ModuleType:
    """The jobs' own provider on paper, and processes that run its jobs and die where they are told."""
    if "paper" not in sys.modules:
        spec = importlib.util.spec_from_file_location("paper", SCRIPT)
        assert spec and spec.loader
        module = sys.modules["paper"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["paper"]


class Host:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, kill: str | None = None) -> int:
        """Run the folder's jobs, to the end or to a point where the process dies; returns its exit code."""
        self._ask({"folder": str(folder), "kill": kill})
        code = None
        answer = self._ask({})
        while answer:
            code = os.waitstatus_to_exitcode(answer["status"])
            answer = self._read()
        assert code is not None
        return code

    def close(self) -> None:
        self._process.communicate(timeout=20)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.mark.parametrize("point", POINTS)
async def test_a_job_ends_in_the_restored_folder_and_is_paid_once(
    host: Host, paper: ModuleType, tmp_path: Path, point: str
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shop = paper.Shop(old)
    job_id = await shop.approved()
    assert host.run(old, kill=point) == -signal.SIGKILL
    write_backup(old, tmp_path / "backup.tar")
    restore_backup(tmp_path / "backup.tar", new)
    shop.close()
    # The provider is elsewhere, and knows what it was asked for.
    shutil.copytree(old / "service", new / "service")

    assert host.run(new) == 0

    again = paper.Shop(new)
    assert again.store.job(job_id).status is JobStatus.SUCCEEDED
    assert again.provider.submits == 1
    again.close()
