"""Erasing an agent or a user: out of snapshots, results, exports, the audit's payloads, and every dataset.

The order makes it safe to be interrupted anywhere, and to be run again:

1. The audit gets a row that it begins, so that there is a trace whatever happens then.
2. Stored results and snapshots go. In the same transaction the store remembers the snapshots' ids as erased.
3. Every dataset that holds an erased snapshot, of this erasure or of an interrupted one before, or that was
   being made meanwhile: the models trained on it are marked first, then a version without them is made and
   the old one revoked. One that cannot be made anew is revoked all the same. Then models are marked again:
   a training may have ended in between, and one that ends later sees that its dataset is revoked. Answers to
   requests with keys go, since they may quote a dataset.
4. Exports lose what is erased, and while nothing can be exported the audit's payloads go. The last row says
   what was done.

What stays: the audit's rows with their columns (principal, client, tool, times), since the chain is made of
them; and models, which are marked but not unlearned.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.to_thread

from toolhone.exceptions import InvalidRequestError, ToolhoneError
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.stores import DatasetStore, SnapshotStore
from toolhone.snapshots.anonymity import Redact, kept_id, subject_of
from toolhone.snapshots.mentions import about_agent, about_user
from toolhone.stores import ResultStore

logger = logging.getLogger(__name__)

WHY = "It held snapshots that were erased."

TRAINED = "It was trained on work that was erased"

_IDS_AT_ONCE = 10_000


class Audit(Protocol):
    """What of the audit log an erasure needs."""

    async def record(self, event: AuditEvent) -> None: ...

    async def matching(self, test: Callable[[JsonObject], bool]) -> list[str]: ...

    async def erase(self, event_ids: Sequence[str], *, caller: Caller) -> int: ...


class Forgetting(Protocol):
    """Takes snapshots, and what rows of the audit hold, out of exports, and lets nothing be exported until
    the context ends; yields how many lines were changed."""

    def __call__(
        self, *, snapshots: Collection[str] = (), events: Collection[str] = ()
    ) -> AbstractAsyncContextManager[int]: ...


class Revise(Protocol):
    """Makes a new version of a dataset without these snapshots; `None` if too little is left for one."""

    def __call__(
        self, dataset_id: str, without: set[str], *, why: str, caller: Caller
    ) -> Awaitable[Manifest | None]: ...


class Taint(Protocol):
    """Marks all models trained on a dataset, with the reason; returns their ids."""

    def __call__(self, dataset_id: str, why: str, *, caller: Caller) -> Awaitable[Sequence[str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased."""

    snapshots: int
    """Deleted now; those among them that were too old and gone already are counted too."""
    results: int
    events: int
    """Rows of the audit that lost their payload."""
    datasets: Mapping[str, str | None]
    """Those that were revoked, and the version that took the place of each, if there is one."""
    models: tuple[str, ...]
    """Those that were marked, because they were trained on one of the datasets."""
    problems: tuple[str, ...] = ()
    """Why a dataset has no new version."""
    exports: int = 0
    """Lines of export files that were taken out or emptied."""
    answers: int = 0
    """Kept answers to REST requests that carried a key: all there were, since any may quote a dataset."""


class Erasing:
    """Erases all of an agent or a user, wherever it is kept."""

    def __init__(
        self,
        *,
        snapshots: Callable[[], SnapshotStore],
        results: Callable[[], ResultStore],
        datasets: Callable[[], DatasetStore],
        audit: Audit,
        redact: Redact,
        revise: Revise,
        taint: Taint,
        forgetting: Forgetting,
        erase_answers: Callable[[], int],
        new_event: Callable[..., AuditEvent],
        now: Callable[[], str],
    ) -> None:
        """Take what it needs.

        Args:
            snapshots: The store; called in a worker thread whenever it is needed, likewise the others.
            results: Of whole results, which belong to a principal.
            datasets: All datasets.
            audit: The audit log.
            redact: The collector's.
            revise: See `Revise`. It may revoke the old version itself.
            taint: See `Taint`.
            forgetting: See `Forgetting`.
            erase_answers: Deletes the kept answers to requests with keys; blocks.
            new_event: Makes an audit event from `(kind, caller, **fields)`.
            now: This moment.
        """
        self._snapshots = snapshots
        self._results = results
        self._datasets = datasets
        self._audit = audit
        self._redact = redact
        self._revise = revise
        self._taint = taint
        self._forgetting = forgetting
        self._erase_answers = erase_answers
        self._new_event = new_event
        self._now = now
        self._lock = anyio.Lock()

    async def erase(
        self, *, agent_id: str | None = None, user_id: str | None = None, caller: Caller
    ) -> Erasure:
        """Erase all of an agent or of a user. Doing it again finishes what was interrupted.

        Raises:
            InvalidRequestError: Neither or both were named.
            ToolhoneError: It could not be finished. The audit shows that it began; do it again.
        """
        name = agent_id if user_id is None else user_id
        if (agent_id is None) == (user_id is None) or not name:
            raise InvalidRequestError("Name either an agent or a user to erase.")
        async with self._lock:
            key = await anyio.to_thread.run_sync(lambda: self._snapshots().subject_key())
            if user_id is None:
                whose = kept_id(name, key, self._redact)
                what: JsonObject = {"agent_id": whose}
            else:
                whose = subject_of(name, key)
                what = {"subject": whose}
            await self._tell(caller, {"what": "erasure begun", **what})
            results = await anyio.to_thread.run_sync(lambda: self._results().erase(name))
            at = self._now()
            erased = await anyio.to_thread.run_sync(
                lambda: (
                    self._snapshots().erase(agent_id=whose, at=at)
                    if user_id is None
                    else self._snapshots().erase(subject=whose, at=at)
                )
            )
            datasets, models, problems = await self._clean_datasets(caller)
            # After the datasets: an answer that quotes one is not kept any more if it was begun until now.
            answers = await anyio.to_thread.run_sync(self._erase_answers)
            about = about_agent(name, whose) if user_id is None else about_user(name, whose)
            concerned = await self._audit.matching(about)
            for dataset_id in await anyio.to_thread.run_sync(self._made_of, concerned):
                await self._mark(dataset_id, caller)
                models.update(await self._revoked(dataset_id, None, caller))
                datasets[dataset_id] = None
            # All that were ever erased: an erasure that was interrupted here is finished so.
            gone = await anyio.to_thread.run_sync(lambda: self._snapshots().erased())
            async with self._forgetting(snapshots=gone, events=concerned) as exports:
                events = await self._audit.erase(concerned, caller=caller)
            outcome = Erasure(
                snapshots=len(erased),
                results=results,
                events=events,
                datasets=datasets,
                models=tuple(sorted(models)),
                problems=tuple(problems),
                exports=exports,
                answers=answers,
            )
            await self._tell(caller, {"what": "erasure done", **what, **_counts(outcome)})
            return outcome

    async def clean_datasets(self, *, caller: Caller) -> Mapping[str, str | None]:
        """Take what was ever erased out of every dataset that holds it; returns those, and their successors.

        For datasets that were being made while an erasure ran, and for erasures that were interrupted.
        """
        async with self._lock:
            datasets, models, problems = await self._clean_datasets(caller)
            if datasets:
                payload = {
                    "what": "datasets cleaned",
                    "datasets": datasets,
                    "models": sorted(models),
                    "problems": problems,
                }
                await self._tell(caller, payload)
            return datasets

    async def _clean_datasets(self, caller: Caller) -> tuple[dict[str, str | None], set[str], list[str]]:
        cleaned: dict[str, str | None] = {}
        models: set[str] = set()
        problems: list[str] = []
        # A version made meanwhile from one that held them may hold them too: until none is left.
        while holding := await anyio.to_thread.run_sync(self._holding):
            for dataset_id, without in holding.items():
                if dataset_id in cleaned:
                    raise ToolhoneError(f"The dataset {dataset_id!r} was revoked, but is said to be in use.")
                # Before the dataset goes: interrupted in between, it would no longer lead to its models.
                await self._mark(dataset_id, caller)
                successor: Manifest | None = None
                try:
                    successor = await self._revise(dataset_id, without, why=WHY, caller=caller)
                except ToolhoneError as exc:
                    logger.warning("No new version of the dataset %s: %s", dataset_id, exc.message)
                    problems.append(f"{dataset_id}: {exc.message}")
                replaced_by = successor.dataset_id if successor else None

                models.update(await self._revoked(dataset_id, replaced_by, caller))
                cleaned[dataset_id] = replaced_by
        return cleaned, models, problems

    async def _mark(self, dataset_id: str, caller: Caller) -> Sequence[str]:
        return await self._taint(dataset_id, f"{TRAINED} ({dataset_id}).", caller=caller)

    async def _revoked(self, dataset_id: str, replaced_by: str | None, caller: Caller) -> Sequence[str]:
        """Revoke a dataset; returns its models, those that were added meanwhile too, all of them marked."""
        await anyio.to_thread.run_sync(self._revoke, dataset_id, replaced_by)
        return await self._mark(dataset_id, caller)

    def _revoke(self, dataset_id: str, replaced_by: str | None) -> None:
        store = self._datasets()
        if store.manifest(dataset_id).revoked_at is None:
            store.revoke(dataset_id, at=self._now(), why=WHY, replaced_by=replaced_by)

    def _holding(self) -> dict[str, set[str]]:
        """The datasets in use that hold something erased, and what of it."""
        erased = self._snapshots().erased()
        datasets = self._datasets()
        found = {
            manifest.dataset_id
            for start in range(0, len(erased), _IDS_AT_ONCE)
            for manifest in datasets.holding(erased[start : start + _IDS_AT_ONCE])
        }
        gone = set(erased)
        return {dataset_id: datasets.members(dataset_id) & gone for dataset_id in sorted(found)}

    def _made_of(self, event_ids: Sequence[str]) -> list[str]:
        """The datasets in use that were made of these rows of the audit: what the selector learns from.

        They have no successor: the next one is made of what is left of the audit.
        """
        datasets = self._datasets()
        return sorted(
            {
                manifest.dataset_id
                for start in range(0, len(event_ids), _IDS_AT_ONCE)
                for manifest in datasets.holding(event_ids[start : start + _IDS_AT_ONCE])
            }
        )

    async def _tell(self, caller: Caller, payload: JsonObject) -> None:
        await self._audit.record(self._new_event(EventKind.ERASURE, caller, success=True, payload=payload))


def _counts(outcome: Erasure) -> JsonObject:
    return {
        "snapshots": outcome.snapshots,
        "results": outcome.results,
        "events": outcome.events,
        "datasets": dict(outcome.datasets),
        "models": list(outcome.models),
        "problems": list(outcome.problems),
        "exports": outcome.exports,
        "answers": outcome.answers,
    }
