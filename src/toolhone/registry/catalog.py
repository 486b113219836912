"""All tools of all toolsets under one roof: one name, one tool."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from toolhone.exceptions import UnknownToolError
from toolhone.models import JsonObject, ProgressReporter, ToolDefinition, ToolOutput, content_hash
from toolhone.registry.listeners import Listeners
from toolhone.registry.toolset import Toolset

SERVER_SEPARATOR = "__"

_CLOSE_ENOUGH = 0.6
_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Conflict:
    """A tool that was left out because an earlier toolset has its name."""

    name: str
    left_out: ToolDefinition
    kept: ToolDefinition


class Catalog:
    """The tools of several toolsets. Of two tools with one name, that of the earlier toolset is kept.

    What it knows is worked out at the first question after a change, and not again until the next.
    """

    def __init__(self, toolsets: Sequence[Toolset]) -> None:
        self._toolsets = tuple(toolsets)
        self._listeners = Listeners()
        self._snapshot: _Snapshot | None = None
        # Hashing is most of the work, and most tools stay the same objects when one server changes.
        self._hashes: dict[int, tuple[ToolDefinition, str]] = {}
        self._unsubscribe = [toolset.subscribe(self._changed) for toolset in self._toolsets]

    def tools(self) -> tuple[ToolDefinition, ...]:
        """Every tool, ordered by name."""
        return self._current().tools

    def get(self, name: str) -> ToolDefinition | None:
        """The tool of exactly this name."""
        return self._current().by_name.get(name)

    def near(self, name: str, n: int = 3) -> tuple[str, ...]:
        """Up to `n` names that may have been meant, the likeliest first.

        Names that differ only in spelling (camelCase, dashes, `server.tool`, a missing `server__`) come
        before those that merely look alike.
        """
        return self._current().names.near(name, n)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The tools that were left out because their name was taken."""
        return self._current().conflicts

    @property
    def content_hash(self) -> str:
        """A hash of everything an agent can see; it changes if and only if that does."""
        snapshot = self._current()
        if snapshot.content_hash is None:
            hashes = {
                id(tool): self._hashes.get(id(tool)) or (tool, _visible_hash(tool)) for tool in snapshot.tools
            }
            # The definitions are kept beside their hashes, so an id cannot come to mean another one.
            self._hashes = hashes
            snapshot.content_hash = content_hash([hashed for _, hashed in hashes.values()])
        return snapshot.content_hash

    async def prepare(self, definition: ToolDefinition) -> None:
        """Have everything running that a call of this tool needs.

        Raises:
            ServerUnavailableError: It cannot be had.
        """
        owner = self._current().owners.get(definition.name)
        if owner is not None:
            await owner.ensure_ready(definition)

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run a tool where it comes from.

        Raises:
            UnknownToolError: There is no tool of this name any more.
            ToolhoneError: As the toolset's `call`.
        """
        owner = self._current().owners.get(definition.name)
        if owner is None:
            raise UnknownToolError(f"There is no tool {definition.name!r} any more.")
        return await owner.call(definition, arguments, report_progress=report_progress)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever the tools changed; returns how to stop that."""
        return self._listeners.subscribe(listener)

    def close(self) -> None:
        """Stop listening to the toolsets."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []

    def _changed(self) -> None:
        self._snapshot = None
        self._listeners.notify()

    def _current(self) -> "_Snapshot":
        if self._snapshot is None:
            self._snapshot = _take(self._toolsets)
        return self._snapshot


class _Snapshot:
    """What the catalog knows between two changes."""

    def __init__(
        self,
        by_name: Mapping[str, ToolDefinition],
        owners: Mapping[str, Toolset],
        conflicts: tuple[Conflict, ...],
    ) -> None:
        self.by_name = by_name
        self.owners = owners
        self.conflicts = conflicts
        self.tools = tuple(by_name[name] for name in sorted(by_name))
        self.content_hash: str | None = None

    @cached_property
    def names(self) -> "_Names":
        return _Names([tool.name for tool in self.tools])


def _take(toolsets: Sequence[Toolset]) -> _Snapshot:
    by_name: dict[str, ToolDefinition] = {}
    owners: dict[str, Toolset] = {}
    conflicts: list[Conflict] = []
    for toolset in toolsets:
        for tool in toolset.tools():
            kept = by_name.setdefault(tool.name, tool)
            if kept is tool:
                owners[tool.name] = toolset
            else:
                conflicts.append(Conflict(tool.name, left_out=tool, kept=kept))
    return _Snapshot(by_name, owners, tuple(conflicts))


def _visible_hash(tool: ToolDefinition) -> str:
    says = tool.annotations
    return content_hash(
        {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "outputSchema": tool.output_schema,
            "annotations": [
                says.title,
                says.read_only,
                says.destructive,
                says.idempotent,
                says.open_world,
            ],
            "category": tool.category,
            "server": tool.server,
            "readOnly": tool.read_only,
        }
    )


class _Names:
    """Finds names by how they are spelled. Built when a name was first not found."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._folded = [_fold(name) for name in names]
        self._spellings: dict[str, list[int]] = defaultdict(list)
        self._by_trigram: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            self._spellings[self._folded[index]].append(index)
            if SERVER_SEPARATOR in name:
                self._spellings[_fold(name.partition(SERVER_SEPARATOR)[2])].append(index)
            for trigram in _trigrams(self._folded[index]):
                self._by_trigram[trigram].append(index)

    def near(self, name: str, n: int) -> tuple[str, ...]:
        # Nothing longer can be meant, and comparing takes time with the square of the length.
        name = name[:200]
        wanted = _fold(name)
        # The exact spelling, then as if a server that we do not have stood before it.
        without_server = _fold(re.split(r"__|[./:]", name)[-1])
        found = [*self._spellings.get(wanted, ()), *self._spellings.get(without_server, ())]
        shared = Counter(
            index for trigram in _trigrams(wanted) for index in self._by_trigram.get(trigram, ())
        )
        matcher = SequenceMatcher(autojunk=False, b=wanted)
        scored: list[tuple[float, int]] = []
        for index, _ in shared.most_common(_CANDIDATES):
            matcher.set_seq1(self._folded[index])
            scored.append((-matcher.ratio(), index))
        found += [index for score, index in sorted(scored) if -score >= _CLOSE_ENOUGH]
        return tuple(self._names[index] for index in dict.fromkeys(found))[:n]


def _fold(name: str) -> str:
    """What is left of a name without case and separators: `git.createBranch` and `git__create_branch`."""
    return "".join(filter(str.isalnum, name.casefold()))


def _trigrams(folded: str) -> set[str]:
    padded = f"^{folded}$"
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
