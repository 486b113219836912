"""What is imported by those who only look at jobs."""

import subprocess
import sys


def test_jobs_are_planned_and_looked_at_without_the_engine() -> None:
    code = (
        "import sys, toolhone.jobs.board, toolhone.jobs.planning, toolhone.jobs.runner\n"
        "import toolhone.jobs.worker\n"
        "print(*({'dbos', 'sqlalchemy', 'torch', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == []
