"""Finding: selects tools for a task, says so within a budget, and records what was shown."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from weakref import WeakKeyDictionary

import anyio.to_thread

from toolhone import tokens
from toolhone.activity import acting, note
from toolhone.activity import describe as describe_activity
from toolhone.audit import AuditLog
from toolhone.compression.levels import Level
from toolhone.events import new_event
from toolhone.found_text import Finding, FoundTool, LeftOut, Told, tell
from toolhone.identifiers import id_of_request
from toolhone.models import Caller, Category, EventKind, JsonObject
from toolhone.reach import Reach, Visible
from toolhone.receipts import Overhead, Receipts
from toolhone.selection.question import ScoredTool, Selection
from toolhone.selection.remembered import Remembered
from toolhone.selection.selector import REMEMBERED_ANSWERS, Selector
from toolhone.standing import Standing
from toolhone.statistics import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A `find_tools` answer. Token figures are o200k tokens."""

    request_id: str
    tools: tuple[FoundTool, ...]
    levels: tuple[Level, ...]
    """How much of each tool is told."""
    preamble: str
    """What the signatures share, and what their marks mean."""
    signatures: tuple[str, ...]
    """One a tool: its name, purpose and parameters."""
    fits: float
    """How likely any tool serves the task, 0 to 1."""
    nothing_fits: bool
    roster: tuple[str, ...]
    """The names of further candidates."""
    left_out: tuple[LeftOut, ...]
    considered: int
    method: str
    notices: tuple[str, ...]
    text: str
    tokens_sent: int
    """Tokens of `text`."""
    tokens_of_legend: int
    """Of these, what explains the form of the signatures, and what they share."""
    overhead: Overhead
    """What toolhone cost this caller besides."""
    tokens_of_all: int
    """Tokens of every tool's name, description and input schema as minified JSON."""
    tokens_of_available: int
    """The same of the tools that the choice was limited to; of all if it was not."""
    elapsed_ms: float

    @property
    def tokens_saved(self) -> int:
        return self.tokens_of_all - self.tokens_sent - self.overhead.listing

    def as_json(self) -> JsonObject:
        """The structured form of the answer."""
        structured: JsonObject = {
            "fits": round(self.fits, 3),
            "nothing_fits": self.nothing_fits,
            "tools": [
                {**tool.as_json(), "level": level.value, "signature": signature}
                for tool, level, signature in zip(self.tools, self.levels, self.signatures, strict=True)
            ],
            "considered": self.considered,
            "method": self.method,
            "request_id": self.request_id,
            "elapsed_ms": round(self.elapsed_ms, 2),
            "tokens": {
                "sent": self.tokens_sent,
                "legend": self.tokens_of_legend,
                "listing": self.overhead.listing,
                "follow_ups": self.overhead.follow_ups,
                "all_schemas": self.tokens_of_all,
                "saved": self.tokens_saved,
                "break_even_selections": self.overhead.break_even,
            },
        }
        if self.preamble:
            structured["preamble"] = self.preamble
        if self.roster:
            structured["roster"] = list(self.roster)
        if self.left_out:
            structured["left_out"] = [tool.as_json() for tool in self.left_out]
        if self.notices:
            structured["notices"] = list(self.notices)
        return structured


class Finder:
    """What stands behind `find_tools`, over the services that it joins."""

    def __init__(
        self,
        *,
        selector: Selector,
        audit: AuditLog,
        usage: Usage,
        standing: Standing,
        reach: Reach,
        receipts: Receipts,
        default_budget: int | None,
        margin: float,
        settle: Callable[[Caller], Awaitable[Sequence[str]]],
        remember: Callable[[str], Awaitable[JsonObject]],
    ) -> None:
        """Take the services.

        Args:
            default_budget: Tokens of an answer when the caller names none.
            margin: By what share the model's tokenizer may count more than ours; budgets are kept for it.
            settle: Waits a moment for servers that were never listed; what the caller should know then.
            remember: What the audit is to keep of a task.
        """
        self._selector = selector
        self._audit = audit
        self._usage = usage
        self._standing = standing
        self._reach = reach
        self._receipts = receipts
        self._default_budget = default_budget
        self._margin = margin
        self._settle = settle
        self._remember = remember
        self._counted: WeakKeyDictionary[Visible, int] = WeakKeyDictionary()
        self._limited: WeakKeyDictionary[Visible, tuple[frozenset[str], int]] = WeakKeyDictionary()
        self._texts: Remembered[tuple[Sequence[ScoredTool], Told, int]] = Remembered(REMEMBERED_ANSWERS)

    @acting("find_tools")
    async def find(
        self,
        task: str,
        *,
        caller: Caller,
        max_tools: int = 5,
        token_budget: int | None = None,
        available_tools: Collection[str] | None = None,
        category: Category | None = None,
        prefer_fast: bool = False,
        prefer_cheap: bool = False,
        pins: Sequence[str] = (),
    ) -> Found:
        """Select the tools for a task, describe them within the budget, and record the choice.

        Args:
            task: What is to be done, in words.
            caller: Who asks.
            max_tools: At most this many, pinned ones included.
            token_budget: Cap on the text; `None` means the setting.
            available_tools: Only these.
            category: Only tools of this category.
            prefer_fast: Among tools that fit alike, the faster first.
            prefer_cheap: Among tools that fit alike, those with shorter answers first.
            pins: Tools to show whatever the task is, before those that the settings pin for this client.

        Raises:
            InvalidRequestError: The task is empty or a bound is out of range.
        """
        request_id = id_of_request()
        note(request_id=request_id, principal=caller.principal)
        notices = await self._settle(caller)
        began = perf_counter()
        await self._usage.load()
        blocked, cautions = self._standing.blocked(), self._standing.cautions()
        visible, known = self._reach.visible(caller), self._standing.known_to(caller)
        set_up = self._standing.pins(caller.client)
        if known is not None:
            # What the settings name is nothing that this caller has said.
            set_up = tuple(name for name in set_up if name in known)
            blocked = {name: reason for name, reason in blocked.items() if name in known}
        pinned = dict.fromkeys([*pins, *set_up])
        missing = [name for name in pinned if name not in blocked and name not in visible.names]
        selection = await self._selector.select(
            task,
            max_tools=max_tools,
            available=available_tools,
            category=category,
            prefer_fast=prefer_fast,
            prefer_cheap=prefer_cheap,
            known=known,
            pinned=[name for name in pinned if name not in missing and name not in blocked],
            blocked=blocked,
            unhealthy=cautions.keys(),
        )
        notices = (*notices, *(self._pin_missing(name, caller) for name in missing), *selection.notices)
        to_tell = finding(selection, notices, cautions, {n: blocked[n] for n in pinned if n in blocked})
        budget = token_budget if token_budget is not None else self._default_budget

        room = None if budget is None else kept_for(budget, self._margin)
        # A ranking from memory is the same object as before, and so is then what is said of it.
        asked = id(selection.tools), to_tell.as_key(), room
        known_text = self._texts.find(asked)

        def describe() -> tuple[Told, int, int]:
            if known_text is not None and known_text[0] is selection.tools:
                return known_text[1], known_text[2], self._tokens_of_all(visible)
            said = tell(to_tell, room, tokens.count_tokens)
            return said, tokens.count_tokens(said.preamble), self._tokens_of_all(visible)

        if tokens.is_loaded() and visible in self._counted:
            told, legend, of_all = describe()  # less than a hop to a thread would cost
        else:  # the vocabulary is to be loaded, or a large catalog to be counted
            told, legend, of_all = await anyio.to_thread.run_sync(describe)
        of_available = of_all
        if available_tools is not None:
            of_available = await self._tokens_of(frozenset(available_tools), visible)
        self._texts.keep(asked, (selection.tools, told, legend))
        self._receipts.compared(caller.principal, of_all)
        found = Found(
            request_id=request_id,
            tools=told.tools,
            levels=told.levels,
            preamble=told.preamble,
            signatures=told.signatures,
            fits=selection.fits,
            nothing_fits=selection.nothing_fits,
            roster=told.roster,
            left_out=told.left_out,
            considered=selection.considered,
            method=selection.method,
            notices=told.notices,
            text=told.text,
            tokens_sent=told.tokens,
            tokens_of_legend=legend,
            overhead=self._receipts.overhead(caller.principal, answer=told.tokens),
            tokens_of_all=of_all,
            tokens_of_available=of_available,
            elapsed_ms=(perf_counter() - began) * 1000,
        )
        describe_activity(
            {
                "toolhone.method": selection.method,
                "toolhone.considered": selection.considered,
                "toolhone.shown": len(found.tools),
                "toolhone.tokens_sent": told.tokens,
            }
        )
        await self._audit.record(
            new_event(
                EventKind.SELECTION,
                caller,
                request_id=request_id,
                success=bool(found.tools),
                execution_time_ms=found.elapsed_ms,
                tokens_used=told.tokens,
                payload={
                    **await self._remember(task),
                    "max_tools": max_tools,
                    "token_budget": budget,
                    "method": selection.method,
                    "considered": selection.considered,
                    "fits": round(found.fits, 4),
                    "nothing_fits": found.nothing_fits,
                    # In the order shown, so that a tool's place is known: only shown tools can be called.
                    "selected": [[tool.definition.name, round(tool.score, 4)] for tool in selection.tools],
                    "shown": len(found.tools),
                    "levels": [level.value for level in found.levels],
                    "pinned": [tool.definition.name for tool in found.tools if tool.pinned],
                    "explored": [tool.definition.name for tool in found.tools if tool.explored],
                    "roster": list(found.roster),
                    "left_out": [tool.as_json() for tool in found.left_out],
                    "tokens_of_all": of_all,
                    **({} if available_tools is None else {"tokens_of_available": of_available}),
                },
            )
        )
        return found

    def _pin_missing(self, name: str, caller: Caller) -> str:
        near = self._reach.near(name, caller, 1)
        hint = f"; {near[0]} is close" if near else ""
        return f"The pinned tool {name!r} is not there{hint}."

    def _tokens_of_all(self, visible: Visible) -> int:
        """Counted once per state of the catalog: a large one takes a tenth of a second."""
        counted = self._counted.get(visible)
        if counted is None:
            counted = self._counted[visible] = tokens.count_tokens(tokens.tool_listing(visible.tools))
        return counted

    async def _tokens_of(self, names: frozenset[str], visible: Visible) -> int:
        """Of the schemas of these tools; a program asks for the same ones again and again."""
        known = self._limited.get(visible)
        if known is None or known[0] != names:
            listing = tokens.tool_listing([tool for tool in visible.tools if tool.name in names])
            count = await anyio.to_thread.run_sync(tokens.count_tokens, listing)
            known = self._limited[visible] = names, count
        return known[1]


def kept_for(budget: int, margin: float) -> int:
    """The budget in o200k tokens for a tokenizer that may count so much more."""
    return int(budget / (1.0 + margin))


def finding(
    selection: Selection,
    notices: Sequence[str],
    cautions: Mapping[str, str] = MappingProxyType({}),
    pinned_blocked: Mapping[str, str] = MappingProxyType({}),
) -> Finding:
    """What a selection has to say to an agent, with what is known beside it of tools and servers."""
    missed = {**pinned_blocked, **{tool.name: tool.reason for tool in selection.blocked}}
    return Finding(
        tools=[
            FoundTool(
                definition=tool.definition,
                score=tool.score,
                fits=tool.fits,
                pinned=tool.pinned,
                explored=tool.explored,
                caution=cautions.get(tool.definition.name),
                cosine=tool.cosine,
                lexical=tool.lexical,
                exact=tool.exact,
            )
            for tool in selection.tools
        ],
        fits=selection.fits,
        nothing_fits=selection.nothing_fits,
        roster=selection.roster,
        left_out=[LeftOut(name, reason) for name, reason in missed.items()],
        considered=selection.considered,
        notices=notices,
    )
