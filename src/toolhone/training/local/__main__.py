"""`python -m toolhone.training.local train|check|answer FOLDER`: what the local provider starts."""

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from toolhone.exceptions import ToolhoneError
from toolhone.training.local.answering import answer
from toolhone.training.local.checking import check
from toolhone.training.local.finetune import Interrupted, finetune
from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase

logger = logging.getLogger("toolhone.training.local")

TASKS: Mapping[str, Callable[[Path, Reporter], None]] = {
    "train": finetune,
    "check": check,
    "answer": answer,
}


def main(arguments: list[str]) -> int:
    """Do the task in the folder; the folder's `status.json` has how it ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    task, folder = TASKS[arguments[0]], Path(arguments[1])
    reporter = Reporter(folder)
    try:
        task(folder, reporter)
    except Interrupted:
        return 0
    except ToolhoneError as exc:
        reporter.finish(Phase.FAILED, raw=exc.code, error=exc.message)
        return 1
    except Exception as exc:
        # The job ends here. Whatever it was, it would be the same at the next attempt.
        logger.exception("The task failed")
        reporter.finish(Phase.FAILED, error=f"{type(exc).__name__}: {exc}. {_advice(exc)}".rstrip())
        return 1
    return 0


def _advice(error: Exception) -> str:
    if type(error).__name__ == "OutOfMemoryError":
        return "The device has too little memory: take a smaller base model, or shorter rows."
    return "The log in the run folder has more."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
