"""Bars on stderr for people who wait; nothing where stderr is no terminal."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from toolhone.cli.plain import harmless

if TYPE_CHECKING:
    from rich.progress import Progress

Report = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is; 0 if that is not known."""


def bar_on_stderr(*, shown: bool = True) -> "Progress":
    """A bar that goes when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    terminal = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=terminal,
        transient=True,
        disable=not (shown and terminal.is_terminal),
    )


@contextmanager
def progress_bar(doing: str = "", *, shown: bool = True) -> Generator[Report]:
    """One bar, which begins anew with each part of the work that is counted by itself.

    Args:
        doing: A word before the name of each part, as in `copying`.
    """
    with bar_on_stderr(shown=shown) as bar:
        task = bar.add_task(doing, total=None)
        before = 0

        def report(what: str, done: int, total: int) -> None:
            nonlocal before
            if done < before:  # another part, which has a time of its own
                bar.reset(task)
            before = done
            description = harmless(f"{doing} {what}".strip())
            bar.update(task, description=description, completed=done, total=total or None)

        yield report
