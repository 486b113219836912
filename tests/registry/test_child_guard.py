"""No child process outlives us. Polling is how one asks the kernel whether a process is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from toolhone.registry import child_guard

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has job objects instead")

SERVERS = Path(__file__).parent / "servers"
GUARD = [sys.executable, "-I", "-S", child_guard.__file__]
STUBBORN = [sys.executable, "-I", "-S", str(SERVERS / "plain.py"), "--stubborn"]


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes() if sys.platform == "linux" else b") R"
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    # A zombie is dead; in a container nobody may be there to collect it.
    return stat.rpartition(b")")[2].split()[0] == b"Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def all_gone(*pids: int) -> None:
    wait_until(lambda: all(is_gone(pid) for pid in pids))


def pids_in(path: Path, count: int) -> list[int]:
    wait_until(lambda: path.exists() and len(path.read_text().split()) == count)
    return [int(pid) for pid in path.read_text().split()]


def guarded(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*GUARD, str(os.getpid()), "--", *command], capture_output=True, timeout=15, start_new_session=True
    )


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("cat", 0)])
def test_the_exit_code_of_the_command_is_passed_on(script: str, code: int) -> None:
    assert guarded("sh", "-c", script).returncode == code


def test_the_command_has_our_stdin_and_stdout() -> None:
    command = [*GUARD, str(os.getpid()), "--", "cat"]
    done = subprocess.run(command, input=b"hello", capture_output=True, timeout=15)
    assert done.stdout == b"hello"


def test_a_command_that_cannot_be_started_is_named() -> None:
    done = guarded("no-such-command")
    assert done.returncode == 127
    assert b"Cannot start 'no-such-command': No such file or directory" in done.stderr


def test_what_the_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    left = tmp_path / "pids"
    assert guarded("sh", "-c", f"sleep 600 & echo $! > {left}; exit 3").returncode == 3
    all_gone(*pids_in(left, 1))


def test_nothing_is_left_after_a_signal_to_the_guard(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with subprocess.Popen(
        [*GUARD, str(os.getpid()), "--", *STUBBORN, str(pids)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as guard:
        started = pids_in(pids, 2)
        guard.send_signal(signal.SIGTERM)
        all_gone(*started)
        guard.wait(15)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kernels do this")
def test_the_command_dies_if_the_guard_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with subprocess.Popen(
        [*GUARD, str(os.getpid()), "--", *STUBBORN, str(pids)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as guard:
        command, grandchild = pids_in(pids, 2)
        guard.kill()
        all_gone(command)
        os.kill(grandchild, signal.SIGKILL)


def test_a_guard_whose_parent_is_already_gone_ends_at_once(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    nobody = 2**22 - 1  # pid_max of Linux: given to no process here
    command = [*GUARD, str(nobody), "--", *STUBBORN, str(pids)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as guard:
        guard.wait(15)
    if pids.exists() and pids.read_text():
        all_gone(*pids_in(pids, 2))


def test_no_child_outlives_a_toolhone_that_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = [sys.executable, str(SERVERS / "parent.py"), *STUBBORN, str(pids)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == b"ready"
        started = pids_in(pids, 2)
        assert not any(is_gone(pid) for pid in started)
        parent.kill()
        all_gone(*started)
