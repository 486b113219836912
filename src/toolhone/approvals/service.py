"""Says which tools are held back because nobody approved their definition, and lets people decide.

Each definition is known by its hash. The first one of a tool is approved by its first use (`approve =
"first_use"`), or waits too (`"all"`); any other waits, and its tool is neither found nor described, listed or
called. An approved definition stays so until it is rejected: a server that goes back to one is trusted again.

`pending` gives, as JSON:

    {"tool": "github__create_issue", "server": "github", "original_name": "create_issue",
     "hash": "sha256:…", "status": "waiting" | "rejected", "why": "changed" | "new",
     "seen_at": TIME, "decided_at": TIME | null, "decided_by": PRINCIPAL | null,
     "approved": {"hash": …, "approved_at": TIME, "approved_by": PRINCIPAL | "first use"} | null}

and `diff` the same with what is in `approvals/diff.py`:

    {…, "changes": [CHANGE, …], "more_changes": 0, "unseen": ["U+202E RIGHT-TO-LEFT OVERRIDE (1)"],
     "definition": {…}, "approved_definition": {…} | null}
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, TypeVar

import anyio
import anyio.to_thread

from toolhone.access import require
from toolhone.approvals.diff import differences
from toolhone.approvals.judging import has_news, held_back, offered_by
from toolhone.events import new_event, not_done
from toolhone.exceptions import (
    ConflictError,
    NotFoundError,
    NotRunningError,
    StorageError,
    ToolhoneError,
)
from toolhone.identifiers import id_of_request, utc_timestamp
from toolhone.models import LOCAL_CALLER, AuditEvent, Caller, EventKind, JsonObject
from toolhone.records.approvals import Approval, ApprovalStatus, ApprovalStore, Place
from toolhone.registry.listing import Listing
from toolhone.roles import Permission

logger = logging.getLogger(__name__)

T = TypeVar("T")

Policy = Literal["first_use", "all", "off"]

LOOK_EVERY = 2.0
"""Seconds between two looks for what another process has decided."""

MOST_TOOLS = 20_000
"""Tools of one server whose definitions are kept; a server that invents names must not fill the disk."""


class Approvals:
    """Judges listings, and keeps what people decide about definitions."""

    def __init__(
        self,
        open_store: Callable[[], ApprovalStore],
        *,
        policy: Policy,
        record: Callable[[AuditEvent], Awaitable[None]],
        look_every: float = LOOK_EVERY,
    ) -> None:
        """Nothing is opened yet.

        Args:
            open_store: Called in a worker thread, so it may be slow.
            record: Writes an event into the audit log.
            look_every: Seconds between two looks at what another process has decided.
        """
        self._open_store = open_store
        self._policy = policy
        self._record = record
        self._look_every = look_every
        self._store: ApprovalStore | None = None
        self._storing = anyio.CapacityLimiter(1)
        self._decided = anyio.Event()
        self._unnoted: set[str] = set()
        """Servers whose last listing could not be kept."""

    async def judge(self, server: str, listing: Listing, fresh: bool) -> Mapping[str, str]:
        """Which tools of a listing are held back, by their original names, and why.

        What is new in a fresh listing is kept. If that cannot be done, every tool is held back: to use what
        may have changed would be worse.
        """
        if self._policy == "off":
            return {}
        fresh = fresh or server in self._unnoted
        try:
            held, waiting = await anyio.to_thread.run_sync(
                self._judge, server, listing, fresh, limiter=self._storing
            )
        except StorageError as exc:
            self._unnoted.add(server)
            logger.warning("The tools of server %s cannot be checked for changes: %s", server, exc.message)
            reason = f"held back: approvals of its definition cannot be read ({exc.code})"
            return {tool.original_name: reason for tool in listing.tools}
        self._unnoted.discard(server)
        for one in waiting:
            logger.warning("Tool %s is held back: its definition is not approved.", one.name)
            await self._tell("tool_held_back", one, LOCAL_CALLER)
        return held

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Call `changed` after each decision, of this process or another, until cancelled."""
        seen = await self._version()
        while True:
            with anyio.move_on_after(self._look_every):
                await self._decided.wait()
            decided, self._decided = self._decided.is_set(), anyio.Event()
            before, seen = seen, await self._version()
            if decided or seen != before or self._unnoted:
                await changed()

    async def pending(
        self,
        *,
        rejected: bool = False,
        limit: int | None = None,
        after: Place | None = None,
        caller: Caller,
    ) -> list[JsonObject]:
        """The definitions that wait, or those that were rejected, the last seen first.

        Args:
            limit: How many at most.
            after: Those behind this one, see `place_of`.
        """
        require(caller, Permission.OPERATE)
        status = _status(rejected)
        held = await self._read(lambda store: store.held_back(status, limit=limit, after=after))
        return [_told(one.approval, one.before) for one in held]

    async def count(self, *, rejected: bool = False, caller: Caller) -> int:
        """How many definitions wait, or were rejected."""
        require(caller, Permission.OPERATE)
        return await self._read(lambda store: store.count(_status(rejected)))

    async def stands(self, tool: str, status: ApprovalStatus, *, caller: Caller) -> bool:
        """Whether a definition of a tool of this name stands so."""
        require(caller, Permission.OPERATE)
        return bool(await self._read(lambda store: store.find(tool, status=status)))

    async def diff(self, tool: str, *, caller: Caller) -> JsonObject:
        """The definition of this tool that waits, and how it differs from the one that was approved last.

        If none waits it is the one that was rejected last.

        Raises:
            NotFoundError: No definition of a tool of this name is held back.
        """
        require(caller, Permission.OPERATE)

        def read(store: ApprovalStore) -> JsonObject:
            one = _held_back(store, tool)
            before = _approved_before(store, one)
            hashes = [one.hash, *([before.hash] if before is not None else [])]
            definitions = store.definitions(hashes)
            old = definitions[before.hash] if before is not None else None
            new = definitions[one.hash]
            told = {**_told(one, before), **differences(old, new)}
            return {**told, "definition": new, "approved_definition": old}

        return await self._read(read)

    async def approve(self, tool: str, digest: str, *, caller: Caller) -> JsonObject:
        """Let a tool be used with the definition of this hash; the answer is as in `pending`.

        The hash is that of the definition that was looked at: one that has come since is not approved.

        Raises:
            NotFoundError: No definition of a tool of this name is known.
            ConflictError: The tool has another definition by now.
        """
        return await self._decide(tool, digest, ApprovalStatus.APPROVED, "tool_approved", caller)

    async def reject(self, tool: str, digest: str, *, caller: Caller) -> JsonObject:
        """Never let the tool be used with the definition of this hash; takes back an approval, too.

        Raises:
            NotFoundError: No definition of a tool of this name is known.
            ConflictError: The tool has another definition by now.
        """
        return await self._decide(tool, digest, ApprovalStatus.REJECTED, "tool_rejected", caller)

    async def aclose(self) -> None:
        """Close the store."""
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.close, limiter=self._storing)

    def _judge(
        self, server: str, listing: Listing, fresh: bool
    ) -> tuple[Mapping[str, str], Sequence[Approval]]:
        offered = offered_by(listing)
        store = self._opened()
        known = store.of_server(server)
        waiting: Sequence[Approval] = ()
        if fresh and has_news(offered.values(), known):
            waiting = store.note(
                server,
                list(offered.values()),
                first_use=self._policy == "first_use",
                at=utc_timestamp(),
                most_tools=MOST_TOOLS,
            )
            known = store.of_server(server)
        return held_back(offered, known, most_tools=MOST_TOOLS), waiting

    async def _decide(
        self, tool: str, digest: str, status: ApprovalStatus, what: str, caller: Caller
    ) -> JsonObject:
        require(caller, Permission.TRUST)
        found, before = await self._read(lambda store: _to_decide(store, tool, digest))
        told = _told(found, before)
        if found.status is status:
            return told
        event = _event(what, found, caller, before, request_id=id_of_request())
        # Whoever is cancelled between the two would leave a record of what was not done.
        with anyio.CancelScope(shield=True):
            # First, so that nothing is trusted without a record of who did it.
            await self._record(event)
            try:
                told = await self._read(lambda store: _decided(store, found, status, caller.principal))
            except ToolhoneError as error:
                await self._take_back(event, error)
                raise
        self._decided.set()
        return told

    async def _take_back(self, event: AuditEvent, error: ToolhoneError) -> None:
        """Record that a decision which is on record was not kept."""
        try:
            await self._record(not_done(event, error))
        except (StorageError, NotRunningError) as exc:
            logger.error(
                "Event %s says what was decided of %s. It was not kept, and that is not on record: %s",
                event.event_id,
                event.tool,
                exc.message,
            )

    async def _tell(self, what: str, approval: Approval, caller: Caller) -> None:
        try:
            await self._record(_event(what, approval, caller, None))
        except (StorageError, NotRunningError) as exc:
            # It is held back all the same.
            logger.warning("That %s is held back was not recorded: %s", approval.name, exc.message)

    async def _version(self) -> int:
        try:
            return await self._read(lambda store: store.version())
        except StorageError:
            return -1  # whatever it is next is another version then

    async def _read(self, work: Callable[[ApprovalStore], T]) -> T:
        return await anyio.to_thread.run_sync(lambda: work(self._opened()), limiter=self._storing)

    def _opened(self) -> ApprovalStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store


def place_of(told: JsonObject) -> Place:
    """Where a definition of `pending` stands there."""
    return told["seen_at"], told["server"], told["original_name"], told["hash"]


def _status(rejected: bool) -> ApprovalStatus:
    return ApprovalStatus.REJECTED if rejected else ApprovalStatus.WAITING


def _held_back(store: ApprovalStore, tool: str) -> Approval:
    known = store.find(tool)
    for status in (ApprovalStatus.WAITING, ApprovalStatus.REJECTED):
        for one in known:
            if one.status is status:
                return one
    raise NotFoundError(
        f"No definition of {tool!r} is held back. What is: toolhone servers pending.", data={"tool": tool}
    )


def _to_decide(store: ApprovalStore, tool: str, digest: str) -> tuple[Approval, Approval | None]:
    known = store.find(tool)
    if not known:
        raise NotFoundError(
            f"No definition of a tool {tool!r} is known. What waits: toolhone servers pending.",
            data={"tool": tool},
        )
    for one in known:
        if one.hash == digest:
            return one, _approved_before(store, one)
    raise ConflictError(
        f"{tool!r} has no definition {digest!r} (any more). Look at the one that it has now "
        f"(toolhone servers diff {tool}), and decide about that.",
        data={"tool": tool, "hashes": [one.hash for one in known]},
    )


def _decided(store: ApprovalStore, found: Approval, status: ApprovalStatus, by: str) -> JsonObject:
    """Change where a definition stands; the answer is as in `pending`.

    Raises:
        ConflictError: It does not stand any more as it was found.
    """
    if not store.decide(found, status, at=utc_timestamp(), by=by):
        name = found.name
        raise ConflictError(
            f"{name!r} has changed again meanwhile: look once more (toolhone servers diff {name})."
        )
    changed, before = _to_decide(store, found.name, found.hash)
    return _told(changed, before)


def _approved_before(store: ApprovalStore, approval: Approval) -> Approval | None:
    """The definition of the same tool that was approved last, beside this one."""
    approved = [
        one
        for one in store.find(approval.name, status=ApprovalStatus.APPROVED)
        if (one.server, one.tool) == (approval.server, approval.tool) and one.hash != approval.hash
    ]
    return max(approved, key=lambda one: one.decided_at or "", default=None)


def _told(approval: Approval, before: Approval | None) -> JsonObject:
    return {
        "tool": approval.name,
        "server": approval.server,
        "original_name": approval.tool,
        "hash": approval.hash,
        "status": approval.status.value,
        "why": "new" if before is None else "changed",
        "seen_at": approval.seen_at,
        "decided_at": approval.decided_at,
        "decided_by": approval.decided_by,
        "approved": None
        if before is None
        else {"hash": before.hash, "approved_at": before.decided_at, "approved_by": before.decided_by},
    }


def _event(
    what: str, approval: Approval, caller: Caller, before: Approval | None, *, request_id: str | None = None
) -> AuditEvent:
    return new_event(
        EventKind.SERVER,
        caller,
        request_id=request_id,
        tool=approval.name,
        server=approval.server,
        success=what != "tool_held_back",
        payload={
            "what": what,
            "hash": approval.hash,
            "seen_at": approval.seen_at,
            **({"approved_before": before.hash} if before is not None else {}),
        },
    )
