"""One training in a process of its own: started at most once at a time, followed, started again, ended.

The child works in a run folder and talks by the files of `child_reports`. Three things keep it safe:

- `run.json` is written before the first start, so whether a training was started can always be said.
- The child and all it starts hold a lock on `child.lock`, inherited from us; it is free again only when the
  last of them is gone. So two never train in one folder, whoever asks.
- A guard (`registry.child_guard`) stands between us and the child and ends everything when we end, even by
  kill -9: first by SIGTERM, so that the child can save where it is, then by SIGKILL. What was cut off so is
  not adopted but started again, in the same folder.

All methods block for a moment, `stop` for as long as the grace lasts; call them in a worker thread.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from toolhone.exceptions import ProviderError, ProviderUnavailableError
from toolhone.identifiers import utc_timestamp
from toolhone.models import JsonObject
from toolhone.registry import child_guard
from toolhone.training.private_files import open_private
from toolhone.training.providers.child_reports import (
    CONFIG,
    STARTED,
    Report,
    Reporter,
    append_report,
    read_reports,
    read_status,
    read_whole,
    seconds_at_work,
    write_whole,
)
from toolhone.training.providers.provider import Phase, Polled, ProviderEvent

RUN = "run.json"
CANCELLED = "cancelled.json"
LOCK = "child.lock"
LOG = "child.log"

MOST_CRASHES = 2
"""So often a child that ended by itself, without its last word, is started again."""

GRACE_SECONDS = 20.0
"""What a child has to save its work between SIGTERM and SIGKILL."""

SLACK_SECONDS = 5.0
"""What the guard has beyond the grace, before it is killed itself."""

PATIENCE_SECONDS = 0.05
"""Between two looks at a child that is not ours; only of our own children does the kernel tell us."""

PRIVATE = 0o700

OTHERS = 0o077
"""What the child lets nobody else do with what it makes, whichever library makes it."""

_LOG_TAIL_BYTES = 16_384


def run_folder(workspace: Path, key: str) -> Path:
    """Where the training with this key runs: a retry has another key, and starts afresh beside the first."""
    return workspace / f"run-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


class ChildRun:
    """The training of one run folder. One object a folder in each process: see `ChildRuns`.

    Args:
        module: What is run, as `python -m MODULE ARGUMENTS FOLDER`.
        key: The request's idempotency key.
        python: The interpreter.
        environ: The child's whole environment; `None`: ours.
        grace: Seconds between SIGTERM and SIGKILL.
        most_crashes: How often a child that crashed is started again.
    """

    def __init__(
        self,
        folder: Path,
        module: Sequence[str],
        *,
        key: str,
        python: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        grace: float = GRACE_SECONDS,
        most_crashes: int = MOST_CRASHES,
    ) -> None:
        self.folder = folder
        self._command = [python, "-m", *module, str(folder)]
        self._key = key
        self._environ = environ
        self._grace = grace
        self._most_crashes = most_crashes
        self._process: subprocess.Popen[bytes] | None = None
        self._reports: list[Report] = []
        # Polling and cancelling come from different threads.
        self._busy = threading.RLock()

    @property
    def run_id(self) -> str:
        return self.folder.name

    def known(self) -> bool:
        """Whether it was ever started. `False` is certain: the note is made before the start."""
        about = read_whole(self.folder / RUN)
        if about is not None and about["key"] != self._key:
            raise ProviderError(
                f"{str(self.folder)!r} is the run of another request ({about['key']!r}). Do not share the "
                "workspace of a job."
            )
        return about is not None

    def start(self, config: JsonObject) -> str:
        """Start the child with this configuration, unless it was ever started; returns the run's id."""
        with self._busy:
            if not self.known():
                self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
                write_whole(self.folder / CONFIG, config)
                write_whole(
                    self.folder / RUN,
                    {"key": self._key, "created_at": utc_timestamp(), "starts": 0, "crashes": 0},
                )
                self._spawn()
            return self.run_id

    def poll(self, after: str | None = None) -> Polled:
        """How it goes, with the reports after the event of this id; starts again a child that was cut off.

        Raises:
            ProviderError: It was never started.
        """
        with self._busy:
            if not self.known():
                raise ProviderError(f"Nothing was started in {str(self.folder)!r}. Create the job again.")
            phase, raw, error = self._phase()
            return self._polled(phase, raw, error, after)

    def alive(self) -> bool:
        """Whether the child, or anything of it, is there: ours or one that another process started."""
        with self._busy:
            if self._process is not None and self._process.poll() is None:
                return True
            lock = self._lock()
            if lock is None:
                return True
            os.close(lock)
            return False

    def cancel(self) -> None:
        """End the child for good. Harmless if it is over; what it has finished stays finished.

        Raises:
            ProviderError: Another process holds it, and goes on.
        """
        with self._busy:
            if not self.known() or read_status(self.folder) is not None:
                return
            write_whole(self.folder / CANCELLED, {"at": utc_timestamp()})
            self.stop()
            # A child of an earlier process of ours may still be on its way out.
            deadline = time.monotonic() + self._grace
            while self.alive() and time.monotonic() < deadline:
                time.sleep(PATIENCE_SECONDS)
            if self.alive():
                raise ProviderError(
                    f"The training in {str(self.folder)!r} belongs to another process of toolhone, which "
                    "still runs. It ends there when that process polls it next, or ends."
                )

    def stop(self) -> None:
        """End the child and all it started; the next `poll` starts it again unless it is over."""
        self.ask_to_end()
        with self._busy:
            process, self._process = self._process, None
            if process is None:
                return
            try:
                process.wait(self._grace + SLACK_SECONDS)
            except subprocess.TimeoutExpired:
                # The guard leads the group. On Linux the kernel kills the child when the guard goes.
                _signal_group(process, signal.SIGKILL)
                process.wait()

    def ask_to_end(self) -> None:
        """Send SIGTERM; the guard sends SIGKILL after the grace. Does not wait."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    @property
    def seconds(self) -> float:
        """How long it has been at work, over all starts, as far as its reports tell."""
        with self._busy:
            self._follow()
            running = self._process is not None and self._process.poll() is None
            return seconds_at_work(self._reports, datetime.now(UTC) if running else None)

    def result(self) -> JsonObject:
        """What a training that succeeded said of what it made.

        Raises:
            ProviderError: It has not succeeded.
        """
        status = read_status(self.folder)
        if status is None or status.phase is not Phase.SUCCEEDED:
            raise ProviderError(
                f"The training {self.run_id!r} has not succeeded: "
                f"{status.error if status else 'it is not over'}. Poll it until it has."
            )
        return status.result

    def tail(self, lines: int = 15) -> str:
        """The last lines that the child wrote to stdout and stderr."""
        try:
            with (self.folder / LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        said = [line for line in text.splitlines() if not line.startswith(child_guard.ANNOUNCEMENT)]
        return "\n".join(said[-lines:])

    def _phase(self) -> tuple[Phase, str, str | None]:
        """Where it is; starts it again where that is the thing to do."""
        running = self.alive()
        # In this order: a child leaves its last word before it goes.
        status = read_status(self.folder)
        if status is not None:
            self.stop()  # it has nothing more to do
            return status.phase, status.raw, status.error
        if (self.folder / CANCELLED).exists():
            if running:
                self.ask_to_end()
                return Phase.RUNNING, "cancelling", None
            self._collect()
            return Phase.CANCELLED, Phase.CANCELLED.value, None
        if running:
            return Phase.RUNNING, Phase.RUNNING.value, None
        about = read_whole(self.folder / RUN) or {}
        crashes = int(about["crashes"])
        code = self._collect()
        if code is not None:
            # Under our eyes: a child that went with an earlier process of ours has done nothing wrong.
            crashes += 1
            write_whole(self.folder / RUN, {**about, "crashes": crashes})
        if crashes > self._most_crashes:
            # Our last word in place of the child's, so that nobody starts it again.
            error = self._crashed(crashes, code)
            Reporter(self.folder).finish(Phase.FAILED, raw="crashed", error=error)
            return Phase.FAILED, "crashed", error
        self._spawn()
        return Phase.RUNNING, "restarted", None

    def _crashed(self, crashes: int, code: int | None) -> str:
        how = "" if code is None else f", the last time with exit code {code}"
        hint = " (killed: perhaps there was too little memory)" if code == 128 + signal.SIGKILL else ""
        return (
            f"The training ended {crashes} times without a result{how}{hint}. The end of its log, "
            f"{str(self.folder / LOG)!r}:\n{self.tail()}"
        )

    def _collect(self) -> int | None:
        """The exit code of our child, which has ended or is ending; `None` if there is none of ours."""
        process, self._process = self._process, None
        return None if process is None else process.wait()

    def _spawn(self) -> None:
        """Start the child, unless one is there."""
        lock = self._lock()
        if lock is None:
            return
        try:
            about = read_whole(self.folder / RUN) or {}
            starts = int(about["starts"]) + 1
            write_whole(self.folder / RUN, {**about, "starts": starts})
            message = "Training starts" if starts == 1 else f"Training starts again, start {starts}"
            append_report(self.folder, {"at": utc_timestamp(), "message": message, STARTED: starts})
            guard = [sys.executable, "-I", "-S", child_guard.__file__, str(os.getpid()), str(self._grace)]
            with open_private(self.folder / LOG, "ab+") as log:
                self._process = subprocess.Popen(
                    [*guard, "--", *self._command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if self._environ is None else dict(self._environ),
                    pass_fds=(lock,),
                    start_new_session=True,
                    umask=OTHERS,
                )
        except OSError as exc:
            raise ProviderUnavailableError(f"The training cannot be started: {exc}.") from exc
        finally:
            os.close(lock)

    def _lock(self) -> int | None:
        """A descriptor that holds the lock; `None` if somebody else does."""
        if sys.platform == "win32":
            raise ProviderUnavailableError(
                "Training on this machine needs Linux or macOS. On Windows use WSL, or another provider."
            )
        import fcntl  # POSIX only

        descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _follow(self) -> None:
        self._reports += read_reports(self.folder, self._reports[-1].end if self._reports else 0)

    def _polled(self, phase: Phase, raw: str, error: str | None, after: str | None) -> Polled:
        self._follow()
        known: dict[str, float] = {}
        for report in self._reports:
            if report.start is not None:
                known.clear()  # it may have gone back to where it last saved
            known.update(report.metrics)
        step, steps = known.get("step"), known.get("steps")
        progress = min(step / steps, 1.0) if step is not None and steps else None
        return Polled(
            phase=phase,
            raw=raw,
            progress=1.0 if phase is Phase.SUCCEEDED else progress,
            epoch=known.get("epoch"),
            step=None if step is None else int(step),
            steps=None if steps is None else int(steps),
            training_loss=known.get("training_loss"),
            validation_loss=known.get("validation_loss"),
            cost_usd=known.get("cost_usd"),
            error=error,
            events=tuple(
                ProviderEvent(
                    event_id=str(report.end), at=report.at, message=report.message, metrics=report.metrics
                )
                for report in self._reports
                if report.end > _place(after)
            ),
        )


class ChildRuns:
    """The runs of one provider in this process, which end with it."""

    def __init__(self) -> None:
        self._runs: dict[Path, ChildRun] = {}
        self._busy = threading.Lock()

    def keep(self, run: ChildRun) -> ChildRun:
        """This run, or the one that is known for its folder already."""
        with self._busy:
            return self._runs.setdefault(run.folder.resolve(), run)

    def stop(self) -> None:
        """End all children, side by side. They are started again by whoever polls them next."""
        with self._busy:
            runs = list(self._runs.values())
            self._runs.clear()
        for run in runs:
            run.ask_to_end()
        for run in runs:
            run.stop()


def _place(event_id: str | None) -> int:
    return int(event_id) if event_id is not None and event_id.isdecimal() else 0


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # gone meanwhile
