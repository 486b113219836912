"""Work that somebody asks for and does not wait for: it goes on here, and is told of until it was long over.

A page answers at once and shows how the work goes. What comes of it is kept by the services that do it;
an errand itself is forgotten with the process.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import anyio
from anyio.abc import TaskGroup, TaskStatus

from toolhone.access import allows, require
from toolhone.exceptions import ConflictError, NotFoundError, NotRunningError, ToolhoneError
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.models import Caller, Json, JsonObject
from toolhone.roles import Permission

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4
"""Each may take a processor, or ask a model: more would only make all of them slower."""

REMEMBERED = 100
"""Errands that are over and can still be asked after."""

Report = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is; call it in the event loop."""

Work = Callable[[Report], Awaitable[str]]
"""Does it, and returns the id of what it made."""


class ErrandKind(StrEnum):
    """What is made."""

    DATASET = "dataset"
    ESTIMATE = "estimate"
    COMPARISON = "comparison"


PERMISSIONS = {
    ErrandKind.DATASET: Permission.PREPARE,
    ErrandKind.ESTIMATE: Permission.TRAIN,
    ErrandKind.COMPARISON: Permission.PREPARE,
}
"""What it takes to begin one, to look how it goes and to stop it."""


class ErrandState(StrEnum):
    """Where an errand is."""

    GOING_ON = "going on"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How one goes."""

    errand_id: str
    kind: ErrandKind
    title: str
    """What it is about, for people."""
    asked: Mapping[str, str]
    """What was asked for, as it was typed: it can be changed and asked again."""
    by: str
    began_at: str
    ended_at: str | None = None
    state: ErrandState = ErrandState.GOING_ON
    step: str = ""
    """What is being done, if it says so."""
    done: int = 0
    total: int = 0
    """How much there is to this step; 0 if it does not say."""
    made: str | None = None
    """The id of what came of it."""
    error_code: str | None = None
    error: str | None = None
    """What happened and what to do next."""
    error_about: str | None = None
    """The field of the request that it is about, if it says so."""


@dataclass(frozen=True, slots=True)
class _Run:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    over: anyio.Event = field(default_factory=anyio.Event)


class Errands:
    """The errands of one process. Belongs to one event loop; `run` is where they go on."""

    def __init__(self) -> None:
        self._errands: dict[str, Errand] = {}
        self._runs: dict[str, _Run] = {}
        self._over: deque[str] = deque()
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Let errands go on until cancelled, which ends them."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    def begin(
        self, kind: ErrandKind, title: str, work: Work, *, asked: Mapping[str, str], caller: Caller
    ) -> Errand:
        """Begin an errand; the same that its caller has going on already is not begun twice.

        Raises:
            PermissionDeniedError: The caller may not have such work done.
            ConflictError: Too many go on.
            NotRunningError: This process is ending.
        """
        require(caller, PERMISSIONS[kind])
        for errand in self._going():
            if (errand.kind, errand.by, errand.asked) == (kind, caller.principal, asked):
                return errand
        if len(self._runs) >= MOST_AT_ONCE:
            raise ConflictError(
                f"{len(self._runs)} preparations, estimates and comparisons go on, which is as many as "
                "toolhone does at once. Try again when one of them is over, or stop one."
            )
        if self._tasks is None:
            raise NotRunningError("toolhone is ending; ask again when it has been started anew.")
        errand = Errand(
            errand_id=new_id(),
            kind=kind,
            title=title,
            asked=dict(asked),
            by=caller.principal,
            began_at=utc_timestamp(),
        )
        self._errands[errand.errand_id] = errand
        self._runs[errand.errand_id] = run = _Run()
        self._tasks.start_soon(self._do, errand.errand_id, run, work, name=f"{kind.value} of {errand.by}")
        return errand

    async def wait(self, errand_id: str, *, seconds: float) -> Errand:
        """The errand as soon as it is over, or as it is then."""
        run = self._runs.get(errand_id)
        if run is not None:
            with anyio.move_on_after(seconds):
                await run.over.wait()
        return self._errands[errand_id]

    def find(self, errand_id: str, *, caller: Caller) -> Errand:
        """How an errand goes, or how it ended.

        Raises:
            NotFoundError: There is none of this id.
            PermissionDeniedError: The caller may not do such work.
        """
        errand = self._errands.get(errand_id)
        if errand is None:
            raise NotFoundError(
                f"No work of the id {errand_id!r} is known here. It is forgotten when toolhone is started "
                "anew, and some time after its end. What came of it is among the datasets and comparisons."
            )
        require(caller, PERMISSIONS[errand.kind])
        return errand

    def going(self, kind: ErrandKind, *, caller: Caller) -> list[Errand]:
        """Those of a kind that go on, the oldest first; none for who may not do such work."""
        if not allows(caller, PERMISSIONS[kind]):
            return []
        return [errand for errand in self._going() if errand.kind is kind]

    def stop(self, errand_id: str, *, caller: Caller) -> Errand:
        """Ask an errand to end; what it has not made by then is not made.

        Raises:
            NotFoundError: There is none of this id.
            PermissionDeniedError: The caller may not do such work.
            ConflictError: It is over.
        """
        errand = self.find(errand_id, caller=caller)
        run = self._runs.get(errand_id)
        if run is None:
            raise ConflictError(f"This work is over already: {errand.state.value}.")
        run.scope.cancel()
        return errand

    def _going(self) -> list[Errand]:
        return [self._errands[errand_id] for errand_id in self._runs]

    async def _do(self, errand_id: str, run: _Run, work: Work) -> None:
        def report(step: str, done: int, total: int) -> None:
            self._change(errand_id, step=step, done=done, total=total)

        # Whatever cancels it, be it the end of the process, stops it.
        ended: JsonObject = {"state": ErrandState.STOPPED}
        try:
            with run.scope:
                ended = {"made": await work(report), "state": ErrandState.DONE}
        except ToolhoneError as exc:
            ended = {
                "state": ErrandState.FAILED,
                "error_code": exc.code,
                "error": exc.message,
                "error_about": exc.data.get("field"),
            }
        except Exception:
            # The errand ends here; others go on.
            logger.exception("%s failed", self._errands[errand_id].title)
            ended = {
                "state": ErrandState.FAILED,
                "error_code": ToolhoneError.code,
                "error": "Something went wrong in toolhone; its log says what.",
            }
        finally:
            self._change(errand_id, ended_at=utc_timestamp(), **ended)
            del self._runs[errand_id]
            self._over.append(errand_id)
            if len(self._over) > REMEMBERED:
                del self._errands[self._over.popleft()]
            run.over.set()

    def _change(self, errand_id: str, **changes: Json) -> None:
        self._errands[errand_id] = replace(self._errands[errand_id], **changes)
