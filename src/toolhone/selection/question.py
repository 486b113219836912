"""What the selector is asked and what it answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, ToolDefinition
from toolhone.selection.text import TASK_CHARACTERS, well_formed

MAX_TOOLS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, checked."""

    task: str
    """Well-formed, and no longer than what is read of it."""
    task_characters: int
    """How long it was."""
    max_tools: int
    available: frozenset[str] | None
    known: frozenset[str] | None
    """The tools that the asker may know of: to it, all others are not there. `None` is all."""
    category: Category | None
    prefer_fast: bool
    prefer_cheap: bool
    pinned: tuple[str, ...] = ()
    """Tools that are shown whatever the task is, after those that the task names."""
    blocked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Tools that must not be shown, with the reason: a role, a deny list, a server that is down."""
    exhaustive: bool = False
    """Whether `max_tools` are wanted even if fewer would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTool:
    """One selected tool and why."""

    definition: ToolDefinition
    score: float
    """0..1 among the candidates of this question, 1 if the task names the tool. It orders one answer; it
    does not compare two."""
    fits: float
    """How likely the tool serves the task, 0..1, calibrated; this compares across questions."""
    cosine: float | None
    """Similarity of meaning, -1..1; `None` if the tool has no vector yet or none was asked."""
    lexical: float
    """BM25; 0 if no word is shared."""
    exact: bool
    """Whether the task names the tool."""
    pinned: bool = False
    explored: bool = False
    """Whether it stands here only to learn how it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedTool:
    """A tool that would have been among the first, had it been allowed."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The answer to one question, best first."""

    tools: tuple[ScoredTool, ...]
    fits: float
    """How likely any of the tools serves the task, 0..1, calibrated."""
    nothing_fits: bool
    """Whether that is so unlikely that the best answer is to do without a tool; `tools` are the nearest."""
    roster: tuple[str, ...]
    """The names of those that came next, best first."""
    blocked: tuple[BlockedTool, ...]
    considered: int
    """How many tools the choice was made from."""
    method: Literal["hybrid", "lexical"]
    notices: tuple[str, ...]
    elapsed_ms: float = 0.0


def checked_question(
    task: str,
    *,
    max_tools: int,
    available: Collection[str] | None,
    category: Category | None,
    prefer_fast: bool,
    prefer_cheap: bool,
    known: frozenset[str] | None = None,
    pinned: Sequence[str] = (),
    blocked: Mapping[str, str] | None = None,
    exhaustive: bool = False,
) -> Question:
    """The request as a question.

    Raises:
        InvalidRequestError: The task is empty, `available` is empty, or `max_tools` is out of range.
    """
    read = well_formed(task[:TASK_CHARACTERS])
    if not read.strip():
        raise InvalidRequestError(f"The task is empty ({task[:40]!r}). Say in words what is to be done.")
    if not 1 <= max_tools <= MAX_TOOLS:
        raise InvalidRequestError(f"max_tools is {max_tools!r}; it must be from 1 to {MAX_TOOLS}.")
    if isinstance(available, str):
        raise InvalidRequestError(f"The available tools are the text {available!r}; give a list of names.")
    if available is not None and not available:
        raise InvalidRequestError(
            "The list of available tools is empty. Leave it out to choose from all tools."
        )
    return Question(
        task=read,
        task_characters=len(task),
        max_tools=max_tools,
        available=None if available is None else frozenset(available),
        known=known,
        category=category,
        prefer_fast=prefer_fast,
        prefer_cheap=prefer_cheap,
        pinned=tuple(dict.fromkeys(pinned)),
        blocked=dict(blocked or {}),
        exhaustive=exhaustive,
    )
