"""The alias of the encoder that finds tools: what it stands for is what the data folder uses."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Caller, Category
from toolhone.records.jobs import AliasChange, FinetuningProvider, ModelRecord
from toolhone.training.model_registry import ModelRegistry

_CATEGORY, _ALIAS = Category.GENERAL, "selector"

_UNDOING_SECONDS = 10.0


def is_selector(category: Category, alias: str) -> bool:
    """Whether what this alias stands for finds tools, from the next start of a server on."""
    return (category, alias) == (_CATEGORY, _ALIAS)


class SelectorAlias:
    """Keeps the encoder in use and what its alias stands for the same."""

    def __init__(self, registry: ModelRegistry, adopt: Callable[[ModelRecord | None], None]) -> None:
        """Take what keeps the alias, and what lets the data folder use an encoder (`adopt`; blocks)."""
        self._registry = registry
        self._adopt = adopt

    async def check(self, model_id: str) -> None:
        """Raises InvalidRequestError if the alias cannot stand for this model, whatever it scored."""
        model = await self._registry.model(model_id)
        if model.provider is not FinetuningProvider.SELECTOR:
            raise InvalidRequestError(
                f"{model_id!r} is no encoder, and {_CATEGORY.value}/{_ALIAS} is the encoder that finds "
                "tools. Choose a model of the provider 'selector', or another alias."
            )

    async def use(self, change: AliasChange, caller: Caller) -> None:
        """Let the data folder use what the alias stands for since this change; if it cannot, undo the change.

        Raises:
            ToolhoneError: It cannot be used.
        """
        try:
            await self._take(change)
        except BaseException:
            # The alias must not say what is not so.
            with anyio.move_on_after(_UNDOING_SECONDS, shield=True):
                await self._registry.rollback_alias(change.category, change.alias, caller=caller)
            raise

    async def follow(self) -> None:
        """Let the data folder use what the alias stands for, if it ever stood for anything."""
        for change in await self._registry.aliases(_CATEGORY):
            if change.alias == _ALIAS:
                await self._take(change)

    async def _take(self, change: AliasChange) -> None:
        model = None if change.model_id is None else await self._registry.model(change.model_id)
        await anyio.to_thread.run_sync(self._adopt, model)
