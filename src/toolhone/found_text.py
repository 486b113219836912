"""How a `find_tools` answer reads: how sure it is, then the tools, within a budget. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from toolhone.answers import wire_form
from toolhone.compression.budget import Fitted, within
from toolhone.compression.levels import Level
from toolhone.compression.rendering import Rendered, render, render_each
from toolhone.models import JsonObject, ToolDefinition

LIKELY = 0.5
"""From this probability on an answer says that a tool is likely to fit."""

ROSTER_TOKENS = 32
"""What the names of further candidates may cost."""

NO_ROOM = "token budget"

OURS = frozenset({"readOnly", "server", "category"})
"""What toolhone says of a tool beside its MCP definition."""

ROUNDING = 1e-9
"""What binary fractions may lack: 0.57 is to be 57 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """One selected tool in a `find_tools` answer."""

    definition: ToolDefinition
    score: float
    """0 to 1, relative to the best match in this catalog for this task."""
    fits: float
    """How likely it serves the task, 0 to 1; comparable between answers."""
    pinned: bool = False
    explored: bool = False
    """Whether it is shown only to learn how it does."""
    caution: str | None = None
    """Why a call of it is likely to fail now."""
    cosine: float | None = None
    """Similarity of meaning to the task, -1 to 1; `None` where words alone decided."""
    lexical: float = 0.0
    """BM25; 0 if it shares no word with the task."""
    exact: bool = False
    """Whether the task names it."""

    @property
    def percent(self) -> str:
        """`fits` for people, rounded down: only a tool that the task names is certain."""
        return f"{math.floor(self.fits * 100 + ROUNDING)}%"

    def as_json(self) -> JsonObject:
        tool = self.definition
        found: JsonObject = {
            "name": tool.name,
            "score": round(self.score, 3),
            "fits": math.floor(self.fits * 1000 + ROUNDING) / 1000,
            "readOnly": tool.read_only,
            "server": tool.server or "local",
            "category": tool.category.value,
        }
        if self.pinned:
            found["pinned"] = True
        if self.explored:
            found["explored"] = True
        if self.caution is not None:
            found["caution"] = self.caution
        return found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tool that would have been shown, and why it is not."""

    name: str
    reason: str

    def as_json(self) -> JsonObject:
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a `find_tools` answer has to say."""

    tools: Sequence[FoundTool]
    """Best first."""
    fits: float
    """How likely any of them serves the task, 0 to 1."""
    nothing_fits: bool
    roster: Sequence[str] = ()
    """The names of those that came next."""
    left_out: Sequence[LeftOut] = ()
    considered: int
    notices: Sequence[str] = ()

    def as_key(self) -> Hashable:
        """What tells it from others that have the same ranking."""
        return tuple(tool.caution for tool in self.tools), tuple(self.left_out), tuple(self.notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What of a finding is told, and how."""

    tools: tuple[FoundTool, ...]
    levels: tuple[Level, ...]
    """How much of each tool is shown."""
    preamble: str
    """What the signatures share, and what their marks mean."""
    signatures: tuple[str, ...]
    """One a tool."""
    roster: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    notices: tuple[str, ...]
    text: str
    tokens: int
    """Of `text`."""


def tell(finding: Finding, budget: int | None, count: Callable[[str], int]) -> Told:
    """The finding as text of at most `budget` tokens, which it never exceeds.

    Every tool is at least named, and detail is raised by relevance per token. If nothing fits the task, the
    nearest tools get a line only: reading their schemas would mostly be for nothing. When the room is small,
    the roster goes first, then notices, then what was left out; when names alone are too long, the servers of
    the tools are counted instead.
    """
    tools = [wire_form(found.definition) for found in finding.tools]
    most = [
        Level.INDEX if finding.nothing_fits and not found.pinned else Level.FULL for found in finding.tools
    ]
    if (told := _whole(finding, tools, most, budget, count)) is not None:
        return told
    relevance = [1.0 if found.pinned else found.fits for found in finding.tools]
    for notices, left_out in ((finding.notices, finding.left_out), ((), finding.left_out), ((), ())):
        after = _after(left_out, notices)

        def compose(rendered: Rendered, after: Sequence[str] = after) -> str:
            return "\n".join([*_before(finding, rendered), *after])

        fitted = within(tools, budget, relevance=relevance, count=count, most=most, compose=compose)
        if fitted is not None:
            rendered = fitted.rendered
            roster, text, tokens = _with_roster(finding, fitted, after, budget, count)
            return Told(
                tools=tuple(finding.tools),
                levels=fitted.levels,
                preamble=rendered.preamble,
                signatures=rendered.blocks,
                roster=roster,
                left_out=tuple(left_out),
                notices=tuple(notices),
                text=text,
                tokens=tokens,
            )
    assert budget is not None
    text = by_server([found.definition for found in finding.tools], budget, count)
    left_out = [LeftOut(found.definition.name, NO_ROOM) for found in finding.tools]
    return Told(
        tools=(),
        levels=(),
        preamble="",
        signatures=(),
        roster=(),
        left_out=(*left_out, *finding.left_out),
        notices=(),
        text=text,
        tokens=count(text),
    )


def _whole(
    finding: Finding,
    tools: Sequence[JsonObject],
    most: Sequence[Level],
    budget: int | None,
    count: Callable[[str], int],
) -> Told | None:
    """All there is to say, roster included, if the budget has room for it: counted once as a whole."""
    roster = next(_rosters(finding, count), ())
    rendered = render_each(tools, most)
    after = _after(finding.left_out, finding.notices)
    text = "\n".join([*_before(finding, rendered), *_next(roster), *after])
    tokens = count(text)
    if budget is not None and tokens > budget:
        return None
    return Told(
        tools=tuple(finding.tools),
        levels=tuple(most),
        preamble=rendered.preamble,
        signatures=rendered.blocks,
        roster=roster,
        left_out=tuple(finding.left_out),
        notices=tuple(finding.notices),
        text=text,
        tokens=tokens,
    )


def catalog_text(tools: Sequence[ToolDefinition], budget: int, count: Callable[[str], int]) -> str:
    """All tools within a budget, none preferred: the same catalog always gives the same text."""
    wire = [wire_form(tool) for tool in tools]
    fitted = within(wire, budget, relevance=[1.0] * len(wire), count=count) if tools else None
    return fitted.text if fitted is not None else by_server(tools, budget, count)


def described(definitions: Sequence[JsonObject]) -> tuple[Rendered, str]:
    """Whole definitions as `definition_json` gives them, as signatures; and the text that an agent reads."""
    rendered = render(
        [{key: value for key, value in told.items() if key not in OURS} for told in definitions], Level.FULL
    )
    blocks = [
        _marked(block, "call_read_tools") if told["readOnly"] else block
        for told, block in zip(definitions, rendered.blocks, strict=True)
    ]
    return rendered, "\n".join([rendered.preamble, *blocks] if rendered.preamble else blocks)


def by_server(tools: Sequence[ToolDefinition], budget: int, count: Callable[[str], int]) -> str:
    """How many tools of which server there are: what is said when not even their names fit."""
    text = f"{len(tools)} tools do not fit."
    if count(text) > budget:
        return ""
    servers = Counter(tool.server or "local" for tool in tools)
    named: list[str] = []
    for server, size in sorted(servers.items(), key=lambda item: (-item[1], item[0])):
        named.append(f"{server} {size}")
        rest = f", {len(servers) - len(named)} servers more" if len(named) < len(servers) else ""
        longer = f"{len(tools)} tools do not fit: {', '.join(named)}{rest}."
        if count(longer) > budget:
            break
        text = longer
    return text


def _before(finding: Finding, rendered: Rendered) -> list[str]:
    lines = [_verdict(finding)]
    if rendered.preamble:
        lines.append(rendered.preamble)
    for found, block in zip(finding.tools, rendered.blocks, strict=True):
        lines.append(_marked(block, _marks(found)))
    return lines


def _marked(block: str, marks: str) -> str:
    head, newline, rest = block.partition("\n")
    return f"{head} ({marks}){newline}{rest}"


def _after(left_out: Sequence[LeftOut], notices: Sequence[str]) -> list[str]:
    lines = [f"Left out: {_by_reason(left_out)}"] if left_out else []
    return [*lines, *(f"Note: {notice}" for notice in notices)]


def _with_roster(
    finding: Finding,
    fitted: Fitted,
    after: Sequence[str],
    budget: int | None,
    count: Callable[[str], int],
) -> tuple[tuple[str, ...], str, int]:
    """As many further names as the budget, and what they are worth, allow; the text with them, its tokens."""
    before = _before(finding, fitted.rendered) if finding.roster else []
    for roster in _rosters(finding, count):
        longer = "\n".join([*before, *_next(roster), *after])
        tokens = count(longer)
        if budget is None or tokens <= budget:
            return roster, longer, tokens
    return (), fitted.text, fitted.tokens


def _rosters(finding: Finding, count: Callable[[str], int]) -> Iterator[tuple[str, ...]]:
    """The rosters that cost no more than they are worth, longest first."""
    for named in range(len(finding.roster), 0, -1):
        if count(", ".join(finding.roster[:named])) <= ROSTER_TOKENS:
            yield tuple(finding.roster[:named])


def _next(roster: Sequence[str]) -> list[str]:
    return [f"Next: {', '.join(roster)}"] if roster else []


def _verdict(finding: Finding) -> str:
    shown = f"{len(finding.tools)} of {finding.considered} tools"
    if not finding.tools:
        return f"{shown}."
    if finding.nothing_fits:
        return f"Nothing fits. The nearest {shown}:"
    return f"Fits: {'likely' if finding.fits >= LIKELY else 'perhaps'}. {shown}, best first:"


def _marks(found: FoundTool) -> str:
    marks = [found.percent]
    if found.definition.read_only:
        marks.append("read-only")
    if found.pinned:
        marks.append("pinned")
    return ", ".join(marks) + (f"; {found.caution}" if found.caution else "")


def _by_reason(left_out: Sequence[LeftOut]) -> str:
    names: dict[str, list[str]] = {}
    for tool in left_out:
        names.setdefault(tool.reason, []).append(tool.name)
    return "; ".join(f"{', '.join(listed)} ({reason})" for reason, listed in names.items())
