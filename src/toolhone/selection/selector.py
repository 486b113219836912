"""Chooses the few tools for a task: the service over index, encoder and usage records.

The model is loaded, and vectors are computed, only after the first question was asked, or one was expected:
a server that is never asked pays nothing. Until the vectors are there the words alone answer, and a notice
says so. Reading the catalog, encoding and ranking run in worker threads; the event loop only hands over.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
from anyio import CapacityLimiter, to_thread
from anyio.abc import TaskStatus

from toolhone.exceptions import ModelUnavailableError, NotRunningError
from toolhone.models import Category, ToolDefinition
from toolhone.selection.calibration import by_words
from toolhone.selection.encoder import EncodedTask, Encoder
from toolhone.selection.heavy import build, keep, vector_source
from toolhone.selection.question import Question, Selection, checked_question
from toolhone.selection.remembered import Remembered, key_of
from toolhone.selection.text import TASK_CHARACTERS
from toolhone.selection.threads import products_in_one_thread
from toolhone.stores import IndexStore, ToolUsage, VectorStore

if TYPE_CHECKING:
    from toolhone.selection.index import ToolIndex
    from toolhone.selection.placing import Ordered
    from toolhone.selection.ranking import Learned
    from toolhone.selection.scoring import Weights
    from toolhone.selection.task_scores import IndexScorer
    from toolhone.selection.vectors import VectorSource

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a question waits for vectors that are nearly there; loading the model takes half a second."""

PATIENCE_TEXTS = 150
"""With more texts than this still to embed a question does not wait: they take longer than that."""

SLICE = 4
"""Texts embedded at a time. Cancellation and a changed catalog are noticed between slices."""

SAVING_SECONDS = 5.0
"""How long the last vectors may take to be written when we are stopped."""

QUESTIONS_AT_ONCE = 2
"""Each keeps a core busy for milliseconds; more at once would only slow each other down."""

REMEMBERED_TASKS = 64

REMEMBERED_ANSWERS = 2_048
"""Some kilobytes each: an answer names its tools, and the index holds them anyway."""


class Selector:
    """Answers `select` for the tools last given to `update`. `run` does the background work."""

    def __init__(
        self,
        *,
        load_encoder: Callable[[], Encoder],
        open_vectors: Callable[[], VectorStore] | None,
        usage: Callable[[], Mapping[str, ToolUsage]],
        weights: "Callable[[], Weights] | None" = None,
        load_learned: "Callable[[str], Awaitable[Learned | None]] | None" = None,
        explore: float = 0.0,
        random: Random | None = None,
        open_indexes: Callable[[], IndexStore] | None = None,
    ) -> None:
        """Nothing is loaded or opened yet.

        Args:
            load_encoder: Called once by `run`, in a worker thread, when the first question was asked.
            open_vectors: Likewise; `run` also closes the store. `None` keeps vectors in memory only.
            usage: What calls cost so far, by tool; called when a preference needs it.
            weights: The shares of the parts of a score; called in a worker thread, when first needed.
            load_learned: Called once by `run` with the name of the encoder: what was learned from use.
            explore: The share of answers whose last place shows a tool from further down, so that what is
                learned from use does not only confirm what was shown before; 0..1.
            random: Decides which; for tests.
            open_indexes: Gives the files in which indexes of large catalogs are kept for the next start.
        """
        self._explore = explore
        self._random = random or Random()
        self.learned: Learned | None = None
        """What was learned from use. May be set at any time on the event loop."""
        self._load_learned = load_learned
        self._load_encoder = load_encoder
        self._open_vectors = open_vectors
        self._open_indexes = open_indexes
        self._usage = usage
        self._load_weights = weights
        self._weights: Weights | None = None

        self._tools: tuple[ToolDefinition, ...] = ()
        self._index: ToolIndex | None = None
        self._building = anyio.Lock()
        self._stale = True

        self._encoder: Encoder | None = None
        self._encode: Callable[[str], EncodedTask] | None = None
        self._encoding = CapacityLimiter(QUESTIONS_AT_ONCE)
        self._remembered: Remembered[Ordered] = Remembered(REMEMBERED_ANSWERS)
        self.problem: str | None = None
        """Why words alone choose, if the encoder has failed."""
        self._running = False
        self._restored = False
        self._settled = False
        self._asked = anyio.Event()
        self._changed = anyio.Event()
        self._progress = anyio.Event()

    def update(self, tools: Sequence[ToolDefinition]) -> None:
        """Take over a new catalog. Cheap; call it on the event loop. The next question sees it."""
        self._tools = tuple(tools)
        self._stale = True
        self._restored = False
        # Without a model there is nothing to wait for, whatever the tools are.
        self._settled = self.problem is not None
        self._changed.set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Load the model when the first question comes or is expected, then keep every tool embedded.

        Goes on until cancelled.
        """
        self._running = True
        task_status.started()
        try:
            await self._asked.wait()
            encoder = await to_thread.run_sync(self._load_encoder)
            if self._load_learned is not None:
                self.learned = await self._load_learned(encoder.name)
            self._encode = lru_cache(maxsize=REMEMBERED_TASKS)(encoder.encode_task)
            self._encoder = encoder
            with products_in_one_thread():
                await self._keep_vectors(encoder)
        except ModelUnavailableError as error:
            logger.warning("%s Tools are chosen by words alone.", error.message)
            self.problem = error.message
        except Exception as error:
            # The job ends here: a model that breaks must not take the server with it, words still answer.
            logger.exception("The encoder failed; tools are chosen by words alone")
            self.problem = f"The encoder failed: {error!r}. Restart to try again."
        finally:
            self._running = False
            self._settled = self.problem is not None
            self._announce()

    @property
    def encoded(self) -> tuple[int, int]:
        """How many tools have a vector, and how many there are. The rest is judged by words alone."""
        if self._stale or self._index is None:
            return 0, len(self._tools)
        return int(self._index.embedded.sum()), len(self._index.definitions)

    def expect_question(self) -> None:
        """Load the model now, in `run`, if no question did so yet: one will come soon."""
        self._asked.set()

    async def wait_indexed(self) -> None:
        """Wait until every tool has a vector, or it is known that none will come.

        Starts loading the model if no question did so yet.

        Raises:
            NotRunningError: `run` is not running.
        """
        self.expect_question()
        while not self._settled:
            if not self._running:
                raise NotRunningError(
                    "The selector is not running, so nothing is indexed. Start `run` first."
                )
            await self._progress.wait()

    async def task_scorer(self, *, patient: bool) -> "IndexScorer | None":
        """Scores tasks as `select` does, but without what was learned; for who learns.

        Args:
            patient: Wait until every tool has a vector; else `None` while there is no encoder.

        Raises:
            ModelUnavailableError: There is no encoder, and one was waited for.
            NotRunningError: `run` is not running, and it was waited for.
        """
        from toolhone.selection.task_scores import IndexScorer

        if patient:
            await self.wait_indexed()
            await self._current_index()
            if self._encoder is None or self.problem is not None:
                raise ModelUnavailableError(self.problem or "There is no encoder.")
        if self._encoder is None or self._index is None or self.problem is not None:
            return None
        weights = await to_thread.run_sync(self._current_weights)
        return IndexScorer(self._index, self._encoder, weights, checkpoint=anyio.from_thread.check_cancelled)

    async def select(
        self,
        task: str,
        *,
        max_tools: int = 5,
        available: Collection[str] | None = None,
        category: Category | None = None,
        prefer_fast: bool = False,
        prefer_cheap: bool = False,
        known: frozenset[str] | None = None,
        pinned: Sequence[str] = (),
        blocked: Mapping[str, str] | None = None,
        unhealthy: Collection[str] = (),
        exhaustive: bool = False,
    ) -> Selection:
        """The tools that fit the task best, never none while there are candidates.

        Fewer than `max_tools` are given when the rest is too unlikely to serve the task.

        Args:
            task: What is to be done, in words. A tool that is named in it comes first.
            max_tools: At most this many, 1 to 50.
            available: Only tools of these names; unknown ones are listed in a notice.
            category: Only tools of this category.
            prefer_fast: Among near-equals put the tool first whose calls took less time.
            prefer_cheap: Among near-equals put the tool first whose calls took fewer tokens.
            known: The tools that the asker may know of: as if there were no others. `None` is all.
            pinned: Tools that are shown whatever the task is.
            blocked: Tools that must not be shown, with the reason why.
            unhealthy: Tools whose server does not answer; among near-equals they come last.
            exhaustive: Give `max_tools` tools however unlikely they are.

        Raises:
            InvalidRequestError: The task is empty, `available` is empty, or `max_tools` is out of range.
        """
        began = perf_counter()
        question = checked_question(
            task,
            max_tools=max_tools,
            available=available,
            category=category,
            prefer_fast=prefer_fast,
            prefer_cheap=prefer_cheap,
            known=known,
            pinned=pinned,
            blocked=blocked,
            exhaustive=exhaustive,
        )
        self._asked.set()
        await self._wait_a_little()
        index = await self._current_index()
        selection = await self._selected(index, question, frozenset(unhealthy))
        return replace(selection, elapsed_ms=(perf_counter() - began) * 1000)

    async def _selected(self, index: "ToolIndex", question: Question, unhealthy: frozenset[str]) -> Selection:
        """The answer; the order of the tools comes from memory, if it was made before on the same basis."""
        key = key_of(question) if self._settled else None
        basis = index, self.learned, self._encode, self._running
        known = None if key is None else self._remembered.find(key, *basis)
        if known is None:
            known = await to_thread.run_sync(
                self._ordered, index, question, self.learned, limiter=self._encoding
            )
            if key is not None:
                self._remembered.keep(key, known, *basis)
        selection = known.placed(question, self._usage, unhealthy)
        if self._explore and not question.exhaustive and self._random.random() < self._explore:
            from toolhone.selection.ranking import explored

            selection = explored(selection, index, self._random)
        return selection

    async def _wait_a_little(self) -> None:
        """A small or cached catalog is ready so soon that the better answer is worth the wait."""
        with anyio.move_on_after(PATIENCE_SECONDS):
            while self._running and not self._settled:
                if self._restored and self._index and self._index.missing_count > PATIENCE_TEXTS:
                    return
                await self._progress.wait()

    async def _current_index(self) -> "ToolIndex":
        async with self._building:
            while self._stale or self._index is None:
                tools = self._tools
                self._index = await to_thread.run_sync(build, tools, self._index, self._open_indexes)
                self._stale = self._tools is not tools
            return self._index

    def _current_weights(self) -> "Weights":
        """Blocking the first time: numpy is imported for them."""
        from toolhone.selection.scoring import Weights

        if self._weights is None:
            self._weights = self._load_weights() if self._load_weights is not None else Weights()
        return self._weights

    def _ordered(self, index: "ToolIndex", question: Question, learned: "Learned | None") -> "Ordered":
        """Blocking: encode the task and order the tools."""
        from toolhone.selection.matrix import believable
        from toolhone.selection.ranking import candidates, ordered

        among, notices = candidates(index, question)
        if question.task_characters > TASK_CHARACTERS:
            notices.append(
                f"The task has {question.task_characters:,} characters; "
                f"only the first {TASK_CHARACTERS:,} were read."
            )
        encoded: EncodedTask | None = None
        with_vector = int(index.embedded[among].sum())
        # With fewer than half of them comparable, meaning would mostly compare what happens to be ready.
        if len(among) and self._encode and self.problem is None and 2 * with_vector >= len(among):
            try:
                encoded = self._encode(question.task)
                if not believable(encoded.parts).all():
                    raise ModelUnavailableError("Its vectors of the task are not of length 1.")
            except Exception:
                # The request's model half ends here: words can answer what the model cannot read.
                encoded = None
                logger.exception("The task could not be encoded")
                notices.append("Chosen by words alone: the encoder failed on this task.")
            else:
                if not encoded.complete:
                    notices.append(
                        "The task is long: its meaning was taken from its beginning, its words from all."
                    )
        calibration = self._encoder.calibration if self._encoder is not None and encoded else None
        order = ordered(
            index,
            question,
            among,
            encoded=encoded,
            weights=self._current_weights(),
            calibration=calibration or by_words(),
            learned=learned,
        )
        if self.problem is not None:
            notices.append(f"Chosen by words alone. {self.problem}")
        elif not self._running and encoded is None:
            notices.append("Chosen by words alone: the encoder is not running.")
        elif with_vector < len(among):
            how = "Chosen by words alone" if encoded is None else "Some tools were judged by words alone"
            notices.append(f"{how}: {with_vector} of {len(among)} tools are encoded so far.")
        return order.noting(*index.notices, *notices)

    async def _keep_vectors(self, encoder: Encoder) -> None:
        vectors = await to_thread.run_sync(vector_source, encoder, self._open_vectors)
        try:
            while True:
                self._changed = anyio.Event()
                index = await self._current_index()
                await self._embed_missing(index, vectors)
                if index is self._index and not self._stale:
                    self._settled = True
                    self._announce()
                    await to_thread.run_sync(keep, index, self._open_indexes)
                    await to_thread.run_sync(vectors.check, index)
                    await self._encode_missing(index, vectors)
                    await self._changed.wait()
        finally:
            with anyio.move_on_after(SAVING_SECONDS, shield=True):
                await to_thread.run_sync(vectors.close)

    async def _embed_missing(self, index: "ToolIndex", vectors: "VectorSource") -> None:
        await to_thread.run_sync(vectors.restore, index)
        self._restored = not self._stale
        self._announce()
        await to_thread.run_sync(keep, index, self._open_indexes)
        await self._encode_missing(index, vectors)

    async def _encode_missing(self, index: "ToolIndex", vectors: "VectorSource") -> None:
        missing = list((await to_thread.run_sync(index.missing)).items())
        for start in range(0, len(missing), SLICE):
            if self._stale:
                return
            index.add(await to_thread.run_sync(vectors.compute, dict(missing[start : start + SLICE])))
            self._announce()
        await to_thread.run_sync(vectors.flush)

    def _announce(self) -> None:
        """Wake everybody who waits for progress."""
        self._progress.set()
        self._progress = anyio.Event()
