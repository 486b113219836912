"""Run one command so that nothing of it is left when the process that asked for it is gone.

Started as a script, by path, with an interpreter that imports nothing else:

    python -I -S child_guard.py PARENT_PID [GRACE_SECONDS] -- COMMAND [ARGUMENT ...]

The command inherits stdin, stdout and stderr, so the guard costs nothing per message. The guard
sleeps until the command ends, the parent ends (a kernel handle on it becomes readable, so kill -9
is noticed too) or it gets a signal; then it ends everything the command started: first politely,
then with SIGKILL. On Linux that includes processes which left the process group, because orphans
are adopted by the guard, and the command itself is killed by the kernel if the guard is killed.
POSIX only; on Windows the SDK puts children into a job object instead.
"""

# pathlib and contextlib would triple what it takes to start.
# ruff: noqa: PTH123, PTH208, SIM105
import os
import select
import signal
import sys
import time

GRACE_SECONDS = 1.0
"""Between SIGTERM and SIGKILL, unless the arguments say otherwise. Shorter than the two seconds after which
the SDK kills the guard too."""

ANNOUNCEMENT = "toolhone child guard: "
"""Starts the one line the guard writes to stderr; our process ids follow."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PARENT_POLL_SECONDS = 0.2
"""Only where the kernel gives no handle on the parent."""

_LINUX = sys.platform == "linux"


def main(arguments: list[str]) -> int:
    """Guard the command until it ends; returns its exit code in the form shells use."""
    parent = int(arguments[0])
    options, command = arguments[1 : arguments.index("--")], arguments[arguments.index("--") + 1 :]
    grace = float(options[0]) if options else GRACE_SECONDS
    wake, wake_write = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: stop.append(received))
    # Without a handler the end of a child would not reach the wake-up descriptor.
    signal.signal(signal.SIGCHLD, lambda _received, _frame: None)

    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    watch = _watch_process(parent)
    child = _start(command)
    _let_go_of_pipes()
    os.write(2, f"{ANNOUNCEMENT}{os.getpid()} {child}\n".encode())

    sources = [wake] if watch is None else [wake, watch]
    patience = _PARENT_POLL_SECONDS if watch is None else None
    status = None
    while not stop:
        _, status = _reap(child, status)
        # If the parent died before it could be watched, somebody else is our parent by now.
        if status is not None or os.getppid() != parent:
            break
        ready = select.select(sources, [], [], patience)[0]
        if watch in ready:
            break
        if wake in ready:
            _drain(wake)
    status = _end_everything(child, status, wake, grace)
    if status is None:
        return 1
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _prctl(option: int, value: int) -> None:
    if _LINUX:
        import ctypes  # half of the guard's start-up time, so not where it is of no use

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch_process(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends, if the kernel has such a thing."""
    try:
        if sys.platform == "linux":
            return os.pidfd_open(pid)
        if hasattr(select, "kqueue"):
            queue = select.kqueue()
            ending = select.kevent(
                pid, filter=select.KQ_FILTER_PROC, flags=select.KQ_EV_ADD, fflags=select.KQ_NOTE_EXIT
            )
            queue.control([ending], 0)
            return os.dup(queue.fileno())
    except OSError:
        pass
    return None


def _start(command: list[str]) -> int:
    guard = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard:
            # Python ignores SIGPIPE, and what is ignored stays ignored across exec.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvp(command[0], command)
    except OSError as exc:
        os.write(2, f"Cannot start {command[0]!r}: {exc.strerror}\n".encode())
    finally:
        os._exit(127)


def _let_go_of_pipes() -> None:
    # Otherwise the parent would not see the end of stdout when the command closes it.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass


def _reap(child: int, status: int | None) -> tuple[bool, int | None]:
    """Collect ended children, adopted ones too: whether any is left, and the status of `child`."""
    while True:
        try:
            pid, ended_with = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False, status
        if pid == 0:
            return True, status
        if pid == child:
            status = ended_with


def _end_everything(child: int, status: int | None, wake: int, grace: float) -> int | None:
    """SIGTERM, a grace period, SIGKILL, to all that the command left behind."""
    left, status = _reap(child, status)
    if left or not _LINUX:
        _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while left and (remaining := deadline - time.monotonic()) > 0:
        if select.select([wake], [], [], remaining)[0]:
            _drain(wake)
        left, status = _reap(child, status)
    # Again and again: a process may fork between the look and the signal.
    deadline = time.monotonic() + GRACE_SECONDS
    while (left or not _LINUX) and time.monotonic() < deadline:
        _signal_all(signal.SIGKILL)
        time.sleep(0.005)
        left, status = _reap(child, status)
    return status


def _signal_all(number: int) -> None:
    if not _LINUX:
        # The group includes the guard. It survives SIGTERM, and SIGKILL is the last thing it does.
        os.killpg(0, number)
        return
    for pid in _descendants():
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def _descendants() -> list[int]:
    """Everything below the guard in the process tree, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # The program's name in parentheses may contain anything, so count from its end.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry))
    found = [os.getpid()]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
