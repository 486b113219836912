"""The last step of a ranking: what calls cost and how tools do now decides among those that fit alike. Pure.

It is apart from the rest because it alone follows from what happens meanwhile: what comes before can be
remembered.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Literal

from toolhone.selection.preference import prefer
from toolhone.selection.question import BlockedTool, Question, ScoredTool, Selection
from toolhone.stores import ToolUsage

ROSTER = 8
"""How many further candidates are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """The tools that an answer is made of, in the order in which they fit, with more than are shown."""

    tools: tuple[ScoredTool, ...] = ()
    likely: tuple[float, ...] = ()
    """How likely each serves the task, told without its place."""
    fixed: int = 0
    """So many of the first stay where they are: the task names them, or they are pinned."""
    least: float = 0.0
    """A tool that is less likely than this to serve the task is not shown if another is."""
    fits: float = 0.0
    nothing_fits: bool = True
    blocked: tuple[BlockedTool, ...] = ()
    considered: int = 0
    method: Literal["hybrid", "lexical"] = "lexical"
    notices: tuple[str, ...] = ()
    _made: dict[tuple[int, ...], Selection] = field(
        default_factory=dict[tuple[int, ...], Selection], repr=False
    )
    """Answers by the order they came to: the same order is the same object."""

    def noting(self, *notices: str) -> "Ordered":
        """The same with more to say, before what it said."""
        return replace(self, notices=(*notices, *self.notices), _made={})

    def placed(
        self,
        question: Question,
        usage: Callable[[], Mapping[str, ToolUsage]],
        unhealthy: AbstractSet[str] = frozenset(),
    ) -> Selection:
        """The answer, as far as the question shows it.

        Args:
            usage: What calls cost so far; asked only for a preference, or where a tool is unhealthy.
            unhealthy: Tools that are likely to fail now.
        """
        places = tuple(self._order(question, usage, unhealthy))
        selection = self._made.get(places)
        if selection is None:
            # Of more orders than this none has come twice.
            if len(self._made) >= question.max_tools:
                self._made.clear()
            selection = self._made[places] = self._selection(places, question)
        return selection

    def _order(
        self,
        question: Question,
        usage: Callable[[], Mapping[str, ToolUsage]],
        unhealthy: AbstractSet[str],
    ) -> list[int]:
        order = list(range(len(self.tools)))
        ill = frozenset(place for place in order if self.tools[place].definition.name in unhealthy)
        if not (question.prefer_fast or question.prefer_cheap or ill):
            return order
        records = usage()
        known = {
            place: record
            for place in order
            if (record := records.get(self.tools[place].definition.name)) is not None
        }
        order[self.fixed :] = prefer(
            order[self.fixed :],
            [tool.score for tool in self.tools],
            self.likely,
            known,
            count=question.max_tools,
            fast=question.prefer_fast,
            cheap=question.prefer_cheap,
            unhealthy=ill,
        )
        return order

    def _selection(self, places: tuple[int, ...], question: Question) -> Selection:
        tools = [self.tools[place] for place in places]
        shown = question.max_tools
        if not question.exhaustive:
            shown = min(max(self.fixed, enough(self.least, [tool.fits for tool in tools[:shown]])), shown)
        return Selection(
            tools=tuple(tools[:shown]),
            fits=self.fits,
            nothing_fits=self.nothing_fits,
            roster=tuple(tool.definition.name for tool in tools[shown:][:ROSTER]),
            blocked=self.blocked,
            considered=self.considered,
            method=self.method,
            notices=self.notices,
        )


def enough(least: float, fits: Sequence[float]) -> int:
    """How many of the first tools are worth showing: up to the last that is likely enough."""
    likely = [place for place, probability in enumerate(fits, 1) if probability >= least]
    return likely[-1] if likely else min(1, len(fits))
