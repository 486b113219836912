"""Which models there are and which of them is used: aliases that only a passed gate, or a person, can move.

An alias of a category (`production`, say) stands for one model or for the base model. Going back works like
undoing: each time one step further, past models that must not be used any more.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from toolhone.exceptions import ConflictError, InvalidRequestError
from toolhone.models import LOCAL_CALLER, AuditEvent, Caller, Category, EventKind, JsonObject
from toolhone.records.jobs import AliasChange, ModelRecord
from toolhone.records.stores import ModelStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_REASON = 500

_ALIAS = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_TRIES = 20
"""How often a change is tried again because another process changed the alias meanwhile."""


class ModelRegistry:
    """Models and aliases as a service. Belongs to one event loop.

    Args:
        open_store: Called in a worker thread, when it is first needed.
        record: Writes an audit event; durable when it returns.
        new_event: Makes an event from `(kind, caller, **fields)`, with its own id and time.
        now: The present moment, in the form of the records.
    """

    def __init__(
        self,
        open_store: Callable[[], ModelStore],
        record: Callable[[AuditEvent], Awaitable[None]],
        new_event: Callable[..., AuditEvent],
        now: Callable[[], str],
    ) -> None:
        self._open_store = open_store
        self._record = record
        self._new_event = new_event
        self._now = now
        self._store: ModelStore | None = None
        # One thread at a time, as the store wants it.
        self._one = CapacityLimiter(1)

    async def add(self, model: ModelRecord, *, caller: Caller = LOCAL_CALLER) -> None:
        """Keep a model that a job made, whether it passed or not. To do it again is harmless."""
        await self._with_store(lambda store: store.add(model))
        await self._audit(
            caller,
            "added",
            model_id=model.model_id,
            category=model.category.value,
            job_id=model.job_id,
            dataset_id=model.dataset_id,
            artifact_hash=model.artifact_hash,
            passed=model.passed,
            tainted=model.tainted,
        )

    async def models(self, category: Category | None = None) -> list[ModelRecord]:
        """The newest first."""
        return await self._with_store(lambda store: store.models(category))

    async def model(self, model_id: str) -> ModelRecord:
        """Raises NotFoundError if there is none of this id."""
        return await self._with_store(lambda store: store.model(model_id))

    async def aliases(self, category: Category | None = None) -> list[AliasChange]:
        """What each alias stands for now."""
        return await self._with_store(lambda store: store.aliases(category))

    async def history(self, category: Category, alias: str) -> list[AliasChange]:
        """What the alias stood for, the newest first."""
        return await self._with_store(lambda store: store.alias_history(category, alias))

    async def resolve(self, category: Category, alias: str) -> ModelRecord | None:
        """The model that the alias stands for; `None` for the base model."""

        def work(store: ModelStore) -> ModelRecord | None:
            history = store.alias_history(category, alias)
            if not history or history[0].model_id is None:
                return None
            model = store.model(history[0].model_id)
            # A model can be marked a moment before its aliases go back.
            return None if model.tainted and not history[0].override else model

        return await self._with_store(work)

    async def set_alias(
        self,
        category: Category,
        alias: str,
        model_id: str | None,
        *,
        caller: Caller,
        override: str | None = None,
    ) -> AliasChange:
        """Let the alias stand for this model, `None` being the base model.

        Args:
            override: Why a model is to be used that did not pass its gate, is marked as not to be used, or
                was made for another category. Kept and audited.

        Raises:
            NotFoundError: There is no such model.
            ConflictError: It needs an override.
            InvalidRequestError: The name of the alias or the reason cannot be used.
        """
        _check_alias(alias)
        if override is not None and not 0 < len(override.strip()) <= LONGEST_REASON:
            raise InvalidRequestError(
                f"A model is used against its gate only for a reason, of 1 to {LONGEST_REASON} characters; "
                f"override has {len(override.strip())}."
            )

        def decide(store: ModelStore, history: Sequence[AliasChange]) -> AliasChange:
            against = _against(store.model(model_id), category) if model_id is not None else None
            if against is not None and override is None:
                raise ConflictError(
                    f"{alias!r} of {category.value!r} cannot stand for {model_id!r}: {against} "
                    "To use it all the same, give the reason as override.",
                    data={"model_id": model_id},
                )
            if history and history[0].model_id == model_id and history[0].override == (against is not None):
                return history[0]
            return AliasChange(
                category=category,
                alias=alias,
                model_id=model_id,
                at=self._now(),
                by=caller.principal,
                why=(override or "").strip()
                or ("It passed its gate." if model_id is not None else "The base model is wanted."),
                override=against is not None,
            )

        return await self._change(category, alias, decide, caller=caller)

    async def rollback_alias(self, category: Category, alias: str, *, caller: Caller) -> AliasChange:
        """Let the alias stand for what it stood for before; again, for what it stood for before that.

        Raises:
            ConflictError: It stands for the base model, with nothing before.
        """
        _check_alias(alias)
        return await self._change(
            category,
            alias,
            lambda store, history: self._gone_back(store, history, alias, category, caller, "rolled back"),
            caller=caller,
        )

    async def taint(self, dataset_id: str, why: str, *, caller: Caller = LOCAL_CALLER) -> list[str]:
        """Mark the models of a dataset as not to be used any more, and move aliases away from them.

        Each alias goes back to what it stood for before, or to the base model. To do it again is harmless.

        Returns:
            The ids of the models.
        """
        marked = await self._with_store(lambda store: store.taint(dataset_id, why))
        if not marked:
            return []
        await self._audit(caller, "tainted", model_ids=marked, dataset_id=dataset_id, why=why)
        for present in await self.aliases():
            if present.model_id not in marked:
                continue

            def decide(
                store: ModelStore, history: Sequence[AliasChange], was: AliasChange = present
            ) -> AliasChange:
                if history[0].model_id not in marked:
                    return history[0]
                return self._gone_back(store, history, was.alias, was.category, caller, f"marked: {why}")

            change = await self._change(present.category, present.alias, decide, caller=caller)
            logger.warning(
                "%s of %s stands for %s from now on: %s is not to be used any more: %s",
                *(change.alias, change.category.value, change.model_id or "the base model"),
                *(present.model_id, why),
            )
        return marked

    async def aclose(self) -> None:
        """Close the store. Closing twice is harmless."""
        with anyio.move_on_after(5, shield=True):
            await to_thread.run_sync(self._close, limiter=self._one)

    async def _change(
        self,
        category: Category,
        alias: str,
        decide: Callable[[ModelStore, Sequence[AliasChange]], AliasChange],
        *,
        caller: Caller,
    ) -> AliasChange:
        def work(store: ModelStore) -> tuple[AliasChange, AliasChange | None]:
            for _ in range(_TRIES):
                history = store.alias_history(category, alias)
                present = history[0] if history else None
                change = decide(store, history)
                if change is present or store.set_alias(change, instead_of=present):
                    return change, present
            raise ConflictError(
                f"{alias!r} of {category.value!r} is changed by others all the time. Try again."
            )

        change, before = await self._with_store(work)
        if change is not before:
            await self._audit(
                caller,
                "alias",
                category=category.value,
                alias=alias,
                model_id=change.model_id,
                before=before.model_id if before else None,
                why=change.why,
                override=change.override,
                rolled_back=change.rolled_back,
            )
        return change

    def _gone_back(
        self,
        store: ModelStore,
        history: Sequence[AliasChange],
        alias: str,
        category: Category,
        caller: Caller,
        why: str,
    ) -> AliasChange:
        stack = standing(history)
        if not stack:
            raise ConflictError(
                f"{alias!r} of {category.value!r} was never set or is back at the base model, so there is "
                "nothing to roll back."
            )
        left = stack[-1].model_id or "The base model"
        usable = (one for one in reversed(stack[:-1]) if _usable(store, one.model_id))
        earlier = next(usable, None)
        change = AliasChange(
            category=category,
            alias=alias,
            model_id=None,
            at=self._now(),
            by=caller.principal,
            why=f"{left} was {why}",
            rolled_back=True,
        )
        return (
            change
            if earlier is None
            else replace(change, model_id=earlier.model_id, override=earlier.override)
        )

    async def _audit(self, caller: Caller, action: str, **payload: object) -> None:
        event: JsonObject = {"action": action, **payload}
        await self._record(self._new_event(EventKind.MODEL, caller, success=True, payload=event))

    async def _with_store(self, work: Callable[[ModelStore], T]) -> T:
        def run() -> T:
            if self._store is None:
                self._store = self._open_store()
            return work(self._store)

        return await to_thread.run_sync(run, limiter=self._one)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def standing(history: Sequence[AliasChange]) -> list[AliasChange]:
    """The changes that are not undone, oldest first; the last one is what the alias stands for.

    None are left where everything is undone: the alias then stands for the base model.

    Args:
        history: All changes, the newest first.
    """
    stack: list[AliasChange] = []
    for change in reversed(history):
        if not change.rolled_back:
            stack.append(change)
            continue
        # It went back past the last one, and past models that were not to be used.
        stack.pop()
        while stack and stack[-1].model_id != change.model_id:
            stack.pop()
    return stack


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise InvalidRequestError(
            f"An alias cannot be called {alias!r}. Use 1 to 50 small letters, digits, '_' and '-', "
            "the first one a letter or digit; 'production', say."
        )


def _against(model: ModelRecord, category: Category) -> str | None:
    """What speaks against using a model."""
    if model.tainted is not None:
        return f"it is not to be used any more: {model.tainted}"
    if not model.passed:
        why = model.verdict.get("why")
        return f"it did not pass its gate. {why}" if isinstance(why, str) else "it did not pass its gate."
    if model.category is not category:
        return f"it was made and judged for {model.category.value!r}."
    return None


def _usable(store: ModelStore, model_id: str | None) -> bool:
    return model_id is None or store.model(model_id).tainted is None
