"""Learning from use as a service: reads the log, learns off the event loop, keeps versions, hands one out.

The selector loads what was promoted when it loads its encoder. From then on this service looks from time to
time whether another process promoted something else, and learns anew when enough calls were recorded.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from toolhone.exceptions import InvalidRequestError, NotRunningError, StorageError, ToolhoneError
from toolhone.models import Json, JsonObject, content_hash
from toolhone.selection.evidence import Lesson
from toolhone.selection.learning_reports import Outcome, Status
from toolhone.selection.lessons import read_lessons
from toolhone.stores import AuditQuery, LearnedVersion, LearningStore

if TYPE_CHECKING:
    from toolhone.selection.learned import LearnedRanker
    from toolhone.selection.ranking import Learned as Applied
    from toolhone.selection.task_scores import IndexScorer, RememberingScorer

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 20.0
"""How often is looked whether another process promoted something."""

AFTER_FAILURE = 5
"""Learning that failed is tried again after so many times as many new calls."""

RESTING = 19.0
"""Of the time, a twentieth at most goes into learning: it takes the processor from the requests."""


class Selecting(Protocol):
    """What is asked of the selector."""

    learned: "Applied | None"

    async def task_scorer(self, *, patient: bool) -> "IndexScorer | None": ...


class Learning:
    """Learns from the audit log and says what is served. Belongs to one event loop; `run` works in between.

    Args:
        rows: Reads the audit log.
        count_calls: How many calls were ever recorded.
        open_store: Called in a worker thread, when versions are first asked for.
        selector: Scores remembered tasks, and is handed what is to be served; `None` for who only looks at
            versions or chooses among them.
        redact: What is remembered of a task passes it.
        now: The present moment, as in the audit.
        learn_after: How many new calls start learning by itself; 0 is never.
        remember: What the audit keeps of a task: its redacted text, or only its vector.
    """

    def __init__(
        self,
        *,
        rows: Callable[[AuditQuery], Awaitable[list[JsonObject]]],
        count_calls: Callable[[], Awaitable[int]],
        open_store: Callable[[], LearningStore],
        selector: Selecting | None,
        redact: Callable[[Json], Json],
        now: Callable[[], str],
        learn_after: int = 200,
        remember: Literal["text", "vector"] = "text",
    ) -> None:
        self._rows = rows
        self._count_calls = count_calls
        self._open_store = open_store
        self._selector = selector
        self._redact = redact
        self._now = now
        self._learn_after = learn_after
        self._remember = remember
        self._store: LearningStore | None = None
        # One thread at a time, as the store wants it.
        self._one = CapacityLimiter(1)
        self._learning = anyio.Lock()
        self._loaded: str | None = None
        """What was served when it was last looked up, whether it could be used or not."""
        self._calls = 0
        self._due: int | None = None
        self._called = anyio.Event()

    def called(self) -> None:
        """Note that a call was recorded. Cheap; call it on the event loop."""
        self._calls += 1
        self._called.set()

    async def run(self) -> None:
        """Follow other processes and learn when it is due, until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow)
                if self._learn_after:
                    tasks.start_soon(self._learn_when_due)
        finally:
            with anyio.move_on_after(5, shield=True):
                await to_thread.run_sync(self._close, limiter=self._one)

    async def load(self, encoder: str) -> "LearnedRanker | None":
        """What is to be served with this encoder, for the selector when it starts.

        What cannot be read is left out with a warning: the ranking without use goes on.
        """
        try:
            self._loaded = await self._with_store(lambda store: store.active())
            return await self._with_store(lambda store: _served(store, encoder))
        except ToolhoneError as error:
            logger.warning("Tools are chosen without what was learned from use: %s", error.message)
            return None

    async def status(self) -> Status:
        """What is there now.

        Raises:
            StorageError: The versions or the audit log cannot be read.
        """
        versions, promotions, active = await self._with_store(
            lambda store: (store.versions(), store.promotions(), store.active())
        )
        return Status(
            active=active,
            versions=versions,
            promotions=promotions,
            new_calls=await self._new_calls(versions),
            learn_after=self._learn_after,
        )

    async def learn(self, *, promote: bool = True) -> Outcome:
        """Learn from the log, judge, keep the version, and serve it if it is better.

        Args:
            promote: Whether a version that passes the gate is served at once.

        Raises:
            StorageError: The log cannot be read or the version not be kept.
            ModelUnavailableError: There is no encoder, so tasks cannot be compared.
        """
        async with self._learning:
            lessons = await read_lessons(self._rows)
            scorer = await self._scorer()
            calls = await self._count_calls()
            outcome = await self._with_store(
                lambda store: self._learn(store, lessons, scorer, calls=calls, promote=promote)
            )
            await self._serve_active()
        return outcome

    async def evaluate(self, version: str | None = None) -> Outcome:
        """Judge a version, by default the newest, against what is served, on requests after both.

        Raises:
            InvalidRequestError: There is no such version, or it is of another encoder.
        """
        lessons = await read_lessons(self._rows)
        scorer = await self._scorer()
        return await self._with_store(lambda store: _evaluate(store, version, lessons, scorer))

    async def promote(self, version: str, *, anyway: bool = False) -> None:
        """Serve a version that passed the gate, or `anyway`.

        Raises:
            InvalidRequestError: There is no such version, it has expired, or it did not pass.
        """

        def work(store: LearningStore) -> None:
            found = _version(store, version)
            verdict: JsonObject = found.figures.get("verdict", {})
            if not anyway and verdict.get("decision") != "promoted" and found.expired is None:
                raise InvalidRequestError(
                    f"The learned version {version!r} did not pass the gate: {verdict.get('why', '')} "
                    "It can be served all the same with --anyway."
                )
            store.promote(version, at=self._now(), why="by hand, without passing" if anyway else "by hand")

        await self._with_store(work)
        await self._serve_active()

    async def rollback(self) -> str | None:
        """Serve what was served before; returns it, `None` being the ranking without use.

        Raises:
            InvalidRequestError: No learned version is served.
        """
        version = await self._with_store(lambda store: store.rollback(at=self._now()))
        await self._serve_active()
        return version

    async def remembered(self, task: str) -> JsonObject:
        """What the audit is to keep of a task."""
        if self._remember == "text":
            return {"task": task}
        size = len(task.encode("utf-8", "surrogatepass"))
        kept: JsonObject = {"task": {"omitted": True, "bytes": size}}
        scorer = await self._selector.task_scorer(patient=False) if self._selector else None
        if scorer is None:
            return kept  # without an encoder nothing could be learned from it
        try:
            redacted: Json = await to_thread.run_sync(self._redact, task)
            vector, candidates = await to_thread.run_sync(scorer.remembered, redacted)
        except Exception:
            # The request was answered; that nothing can be learned from it must not undo that.
            logger.exception("The vector of a task could not be computed, so it is not remembered")
            return kept
        return {
            **kept,
            "encoder": scorer.encoder,
            "task_vector": vector,
            "candidates": [list(candidate) for candidate in candidates],
        }

    def _learn(
        self,
        store: LearningStore,
        lessons: Sequence[Lesson],
        scorer: "IndexScorer",
        *,
        calls: int,
        promote: bool,
    ) -> Outcome:
        """Blocking, in a worker thread."""
        from toolhone.selection.learned import Learned
        from toolhone.selection.learner import learn

        self._expire(store, scorer)
        versions = [version for version in store.versions() if version.encoder == scorer.encoder]
        newest = Learned.from_bytes(store.artifact(versions[0].version)) if versions else None
        active = store.active()
        remembering = _remembering(store, scorer, lessons)
        attempt = learn(lessons, remembering, current=_served(store, scorer.encoder), newest=newest)
        store.keep_task_vectors(scorer.encoder, remembering.new, only=_task_hashes(lessons))
        figures = {**attempt.figures, "calls": calls, "verdict": attempt.verdict.as_json()}
        if attempt.learned is None:
            return Outcome(version=None, verdict=attempt.verdict, figures=figures, promoted=False)
        artifact = attempt.learned.to_bytes()
        digest = hashlib.sha256(artifact).hexdigest()
        name = digest[:8]
        version = LearnedVersion(
            version=name,
            created_at=self._now(),
            encoder=scorer.encoder,
            artifact_hash=f"sha256:{digest}",
            data_hash=attempt.data_hash,
            until=attempt.learned.until,
            parent=active if active != name else None,
            figures=figures,
        )
        store.add(version, artifact)
        promoted = promote and attempt.verdict.promoted
        if promoted:
            store.promote(name, at=self._now(), why=attempt.verdict.why)
        return Outcome(version=name, verdict=attempt.verdict, figures=figures, promoted=promoted)

    def _expire(self, store: LearningStore, scorer: "IndexScorer") -> None:
        """Versions all of whose tools are gone or changed are of no use; an empty catalog proves nothing."""
        from toolhone.selection.learned import Learned, LearnedRanker

        if not len(scorer.index):
            return
        for version in store.versions():
            if version.expired is not None or version.encoder != scorer.encoder:
                continue
            learned = Learned.from_bytes(store.artifact(version.version))
            if learned.names and not LearnedRanker(version.version, learned).known_tools(scorer.index):
                why = f"None of its {len(learned.names)} tools is there as it was."
                store.expire(version.version, why, at=self._now())

    async def _scorer(self) -> "IndexScorer":
        scorer = await self._selector.task_scorer(patient=True) if self._selector else None
        if scorer is None:
            raise NotRunningError("Learning compares tasks, for which the selector must be running.")
        return scorer

    async def _new_calls(self, versions: Sequence[LearnedVersion]) -> int:
        before = int(versions[0].figures.get("calls", 0)) if versions else 0
        return max(await self._count_calls() - before, 0)

    async def _follow(self) -> None:
        while True:
            await anyio.sleep(LOOK_SECONDS)
            try:
                await self._serve_active()
            except ToolhoneError as error:
                logger.warning("What is served could not be looked up: %s", error.message)

    async def _serve_active(self) -> None:
        """Hand the selector what is to be served, if it is running and that has changed."""
        scorer = await self._selector.task_scorer(patient=False) if self._selector else None
        if self._selector is None or scorer is None:
            return  # it loads it itself when it starts
        active = await self._with_store(lambda store: store.active())
        if active != self._loaded:
            self._selector.learned = await self.load(scorer.encoder)

    async def _learn_when_due(self) -> None:
        while True:
            await self._called.wait()
            self._called = anyio.Event()
            began = anyio.current_time()
            try:
                if self._due is None:
                    versions = await self._with_store(lambda store: store.versions())
                    self._due = self._learn_after - await self._new_calls(versions)
                if self._calls < self._due:
                    continue
                outcome = await self.learn()
                logger.info("Learned from use: %s", outcome.verdict.why)
                self._due = self._calls + self._learn_after
            except Exception as error:
                # The attempt ends here: what is served stays, and the calls go on.
                message = error.message if isinstance(error, ToolhoneError) else repr(error)
                logger.warning("Learning from use failed, and is tried again later: %s", message)
                self._due = self._calls + AFTER_FAILURE * self._learn_after
            await anyio.sleep(RESTING * (anyio.current_time() - began))

    async def _with_store(self, work: Callable[[LearningStore], T]) -> T:
        def opened() -> T:
            if self._store is None:
                self._store = self._open_store()
            return work(self._store)

        return await to_thread.run_sync(opened, limiter=self._one)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()


def _served(store: LearningStore, encoder: str) -> "LearnedRanker | None":
    """The version that is served, ready for use; `None` if there is none for this encoder."""
    from toolhone.selection.learned import Learned, LearnedRanker

    active = store.active()
    if active is None or _version(store, active).encoder != encoder:
        return None
    try:
        return LearnedRanker(active, Learned.from_bytes(store.artifact(active)))
    except StorageError as error:
        logger.warning("Tools are chosen without what was learned from use: %s", error.message)
        return None


def _evaluate(
    store: LearningStore, version: str | None, lessons: Sequence[Lesson], scorer: "IndexScorer"
) -> Outcome:
    from toolhone.selection.learned import Learned, LearnedRanker
    from toolhone.selection.learner import evaluate

    versions = store.versions()
    if version is None and not versions:
        raise InvalidRequestError("Nothing was learned yet. Learn with `toolhone selector learn`.")
    found = versions[0] if version is None else _version(store, version)
    if found.encoder != scorer.encoder:
        raise InvalidRequestError(
            f"The learned version {found.version!r} belongs to the encoder {found.encoder!r}; "
            f"{scorer.encoder!r} is in use. Learn anew."
        )
    current = _served(store, scorer.encoder)
    verdict = evaluate(
        LearnedRanker(found.version, Learned.from_bytes(store.artifact(found.version))),
        lessons,
        _remembering(store, scorer, lessons),
        current=current if current and current.version != found.version else None,
    )
    return Outcome(
        version=found.version,
        verdict=verdict,
        figures=found.figures,
        promoted=store.active() == found.version,
    )


def _version(store: LearningStore, version: str) -> LearnedVersion:
    for found in store.versions():
        if found.version == version:
            return found
    store.artifact(version)  # says that there is none
    raise AssertionError(version)


def _remembering(
    store: LearningStore, scorer: "IndexScorer", lessons: Sequence[Lesson]
) -> "RememberingScorer":
    from toolhone.selection.task_scores import RememberingScorer

    return RememberingScorer(scorer, store.task_vectors(scorer.encoder, _task_hashes(lessons)))


def _task_hashes(lessons: Sequence[Lesson]) -> list[str]:
    return [content_hash(lesson.task.text) for lesson in lessons if lesson.task.text is not None]
