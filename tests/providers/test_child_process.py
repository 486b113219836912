"""A training's own process: once at a time, followed, started again, ended with all it started."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from anyio import to_thread
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import ProviderError
from toolhone.training.providers.child_process import ChildRun, ChildRuns, run_folder
from toolhone.training.providers.child_reports import append_report, read_reports
from toolhone.training.providers.provider import Phase

T = TypeVar("T")

HERE = Path(__file__).parent

PARENT = """
import sys
from pathlib import Path
from toolhone.training.providers.child_process import ChildRun
run = ChildRun(Path(sys.argv[1]), ["talking_child"], key="k", grace=5)
run.start({"port": int(sys.argv[2])})
print("started", flush=True)
sys.stdin.read()
"""


class Talk:
    """The line to one start of the child."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rw", encoding="utf-8")
        self.pid = int(self._stream.readline())

    def tell(self, order: str) -> str:
        """Give the order; returns its answer, or nothing if the child has gone."""
        self._stream.write(f"{order}\n")
        self._stream.flush()
        return self.hear()

    def hear(self) -> str:
        try:
            return self._stream.readline()
        except ConnectionResetError:
            return ""

    def close(self) -> None:
        self._connection.close()
        self._stream.detach()


class Stage:
    """A run folder, and the port on which its children report."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.folder = folder
        self.listener = listener
        self.talks: list[Talk] = []
        self.runs: list[ChildRun] = []
        self.environ = {**os.environ, "PYTHONPATH": str(HERE)}

    @property
    def config(self) -> dict[str, int]:
        return {"port": self.listener.getsockname()[1]}

    def run(self, *, key: str = "k", grace: float = 20) -> ChildRun:
        run = ChildRun(self.folder, ["talking_child"], key=key, environ=self.environ, grace=grace)
        self.runs.append(run)
        return run

    def accept(self) -> Talk:
        """The next child that was started."""
        talk = Talk(self.listener.accept()[0])
        self.talks.append(talk)
        return talk

    def gone(self) -> None:
        """Wait until the child and all it started are gone: they hold the lock till then."""
        with (self.folder / "child.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        stage = Stage(tmp_path / "run", listener)
        try:
            yield stage
        finally:
            for run in stage.runs:
                run.stop()
            for talk in stage.talks:
                talk.close()


async def soon(work: Callable[[], T]) -> T:
    with anyio.fail_after(60):
        return await to_thread.run_sync(work, abandon_on_cancel=True)


async def test_a_training_is_followed_to_its_result(stage: Stage) -> None:
    run = stage.run()
    assert not run.known()
    run_id = await soon(lambda: run.start(stage.config))
    talk = await soon(stage.accept)
    talk.tell("report 4")

    polled = run.poll()
    assert (polled.phase, polled.step, polled.steps, polled.progress) == (Phase.RUNNING, 4, 10, 0.4)
    assert [event.message for event in polled.events] == ["Training starts", "A step"]
    later = run.poll(after=polled.events[0].event_id)
    assert later.events == polled.events[1:]

    talk.tell("finish")
    await soon(stage.gone)
    over = await soon(run.poll)
    assert (over.phase, over.progress) == (Phase.SUCCEEDED, 1.0)
    assert run.result() == {"answer": 42}
    assert run.run_id == run_id == stage.folder.name
    assert run.seconds > 0


async def test_starting_again_starts_nothing(stage: Stage) -> None:
    run = stage.run()
    await soon(lambda: run.start(stage.config))
    await soon(stage.accept)
    await soon(lambda: run.start(stage.config))
    other = stage.run()
    await soon(lambda: other.start(stage.config))

    assert other.known()
    assert (await soon(other.poll)).phase is Phase.RUNNING
    assert json.loads((stage.folder / "run.json").read_text())["starts"] == 1


async def test_a_crashed_child_is_started_again_so_often_and_then_its_log_is_shown(stage: Stage) -> None:
    run = stage.run()
    await soon(lambda: run.start(stage.config))
    for start in range(3):
        talk = await soon(stage.accept)
        talk.tell(f"report {start + 1}")
        talk.tell("say the disk is on fire")
        talk.tell("crash")
        await soon(stage.gone)
        await soon(run._process.wait if run._process else lambda: None)
        last = await soon(run.poll)
        assert last.phase is (Phase.RUNNING if start < 2 else Phase.FAILED)
    polled = await soon(run.poll)
    assert polled.phase is Phase.FAILED
    assert "3 times" in (polled.error or "")
    assert "exit code 3" in (polled.error or "")
    assert "the disk is on fire" in (polled.error or "")
    assert "guard" not in (polled.error or "")


async def test_a_failure_that_the_child_tells_of_is_final(stage: Stage) -> None:
    run = stage.run()
    await soon(lambda: run.start(stage.config))
    (await soon(stage.accept)).tell("fail")
    await soon(stage.gone)

    polled = await soon(run.poll)

    assert (polled.phase, polled.raw, polled.error) == (Phase.FAILED, "cost_stopped", "Too dear.")
    with pytest.raises(ProviderError, match="Too dear"):
        run.result()


async def test_cancelling_ends_even_a_deaf_child_and_what_has_left_its_group(stage: Stage) -> None:
    run = stage.run(grace=0.2)
    await soon(lambda: run.start(stage.config))
    talk = await soon(stage.accept)
    talk.tell("deaf")
    talk.tell("child")

    await soon(run.cancel)

    assert talk.hear() == ""
    await soon(stage.gone)
    assert (await soon(run.poll)).phase is Phase.CANCELLED
    await soon(run.cancel)  # harmless


async def test_cancelling_what_is_finished_changes_nothing(stage: Stage) -> None:
    run = stage.run()
    await soon(lambda: run.start(stage.config))
    (await soon(stage.accept)).tell("finish")
    await soon(stage.gone)

    await soon(run.cancel)

    assert (await soon(run.poll)).phase is Phase.SUCCEEDED


async def test_a_stopped_child_goes_on_when_it_is_polled_and_has_not_crashed(stage: Stage) -> None:
    runs = ChildRuns()
    run = runs.keep(stage.run())
    assert runs.keep(stage.run()) is run
    await soon(lambda: run.start(stage.config))
    first = await soon(stage.accept)
    first.tell("report 7")
    first.tell("tear")

    await soon(runs.stop)
    assert first.hear() == ""

    again = stage.run()
    polled = await soon(again.poll)
    second = await soon(stage.accept)
    assert second.pid != first.pid
    assert (polled.raw, polled.step) == ("restarted", None)
    second.tell("report 1")
    polled = again.poll()
    assert [event.metrics.get("step") for event in polled.events] == [None, 7, None, 1]  # nothing torn
    assert json.loads((stage.folder / "run.json").read_text())["crashes"] == 0


async def test_two_never_train_in_one_folder_even_from_two_processes(stage: Stage) -> None:
    with parent(stage):
        await soon(stage.accept)

        run = stage.run(grace=0.1)

        assert run.known()
        assert run.alive()
        assert (await soon(run.poll)).phase is Phase.RUNNING
        with pytest.raises(ProviderError, match="another process"):
            await soon(run.cancel)
        assert json.loads((stage.folder / "run.json").read_text())["starts"] == 1


async def test_a_killed_parent_takes_the_child_along_and_the_next_one_starts_it_again(stage: Stage) -> None:
    with parent(stage) as process:
        first = await soon(stage.accept)
        first.tell("child")
        os.kill(process.pid, signal.SIGKILL)
        await soon(process.wait)
        assert await soon(first.hear) == ""
        await soon(stage.gone)

    run = stage.run()
    assert (await soon(run.poll)).raw == "restarted"
    second = await soon(stage.accept)
    assert second.pid != first.pid


async def test_a_folder_belongs_to_one_request(stage: Stage, tmp_path: Path) -> None:
    run = stage.run()
    await soon(lambda: run.start(stage.config))
    await soon(stage.accept)

    with pytest.raises(ProviderError, match="another request"):
        stage.run(key="other").known()
    assert run_folder(tmp_path, "a") != run_folder(tmp_path, "b")
    with pytest.raises(ProviderError, match="Nothing was started"):
        ChildRun(tmp_path / "never", ["talking_child"], key="k").poll()


@settings(deadline=None, max_examples=40)
@given(
    lines=st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)), max_size=8),
    cut=st.integers(min_value=0, max_value=400),
)
def test_following_sees_every_whole_line_once_wherever_it_is_cut(
    lines: list[tuple[str, float]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("reports")
    for message, value in lines:
        append_report(folder, {"at": "now", "message": message, "metrics": {"x": value}})
    whole = read_reports(folder)
    assert [report.metrics["x"] for report in whole] == [value for _, value in lines]

    path = folder / "metrics.jsonl"
    text = path.read_bytes() if lines else b""
    path.write_bytes(text[:cut])
    before = read_reports(folder)
    with path.open("ab") as file:
        file.write(text[cut:])
    after = read_reports(folder, before[-1].end if before else 0)

    assert [*before, *after] == whole


@contextmanager
def parent(stage: Stage) -> Generator[subprocess.Popen[bytes]]:
    """Another process of ours that has started the training."""
    port = str(stage.config["port"])
    command = [sys.executable, "-c", PARENT, str(stage.folder), port]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stage.environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        try:
            yield process
        finally:
            process.kill()
