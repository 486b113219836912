"""Stands in for a training: connects to the test, does what it is told line by line, and answers."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase


def main() -> None:
    reporter = Reporter(Path(sys.argv[-1]))
    line = socket.create_connection(("127.0.0.1", int(reporter.config()["port"])), timeout=30)
    stream = line.makefile("rw", encoding="utf-8")

    def answer(text: object) -> None:
        stream.write(f"{text}\n")
        stream.flush()

    answer(os.getpid())
    for order in stream:
        what, *rest = order.split()
        if what == "report":
            reporter.report("A step", {"step": float(rest[0]), "steps": 10.0, "training_loss": 0.5})
        elif what == "say":
            print(" ".join(rest), file=sys.stderr, flush=True)
        elif what == "tear":
            with (Path(sys.argv[-1]) / "metrics.jsonl").open("a") as file:
                file.write('{"at": "2026')
        elif what == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif what == "child":
            # Leaves the group, as a stray worker would.
            subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
        elif what == "finish":
            reporter.finish(Phase.SUCCEEDED, result={"answer": 42})
            return
        elif what == "fail":
            reporter.finish(Phase.FAILED, raw="cost_stopped", error="Too dear.")
            return
        elif what == "crash":
            os._exit(3)
        answer("done")


if __name__ == "__main__":
    main()
