"""Which dataset is meant when none is named: to train with, or to compare models by."""

from collections.abc import Awaitable, Callable

import anyio.to_thread

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.datasets import Manifest, Purpose
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.records.stores import DatasetStore
from toolhone.training.model_registry import ModelRegistry


class DatasetChoice:
    """Chooses among the datasets of a data folder."""

    def __init__(
        self,
        datasets: Callable[[], DatasetStore],
        registry: ModelRegistry,
        freeze_use: Callable[[], Awaitable[Manifest]] | None = None,
    ) -> None:
        """Take where datasets and models are.

        Args:
            freeze_use: Makes a dataset of what the audit log teaches about finding tools. Without it
                nothing can be chosen for the selector.
        """
        self._datasets = datasets
        self._registry = registry
        self._freeze_use = freeze_use

    async def for_training(self, config: FinetuningConfig, dataset_id: str | None) -> Manifest:
        """The dataset that is named; else the category's newest, or for the selector the use until now.

        Raises:
            InvalidRequestError: There is none.
        """
        if dataset_id is not None:
            return await anyio.to_thread.run_sync(lambda: self._datasets().manifest(dataset_id))
        if config.provider is FinetuningProvider.SELECTOR:
            if self._freeze_use is None:
                raise InvalidRequestError(
                    "The selector learns from recorded use of the tools that are there, and no tools are "
                    "open here; name a dataset_id, or plan through a running toolhone."
                )
            return await self._freeze_use()
        return await self._newest(config.category)

    async def for_comparison(self, a: str, b: str, category: Category | None) -> str:
        """The id of the dataset that one of the models was judged by, else of the category's newest.

        Raises:
            InvalidRequestError: Nothing says which.
        """
        known = {model.model_id: model for model in await self._registry.models(None)}
        for model_id in (b, a):
            if model_id in known:
                return known[model_id].dataset_id
        if category is None:
            raise InvalidRequestError(
                f"Neither {a!r} nor {b!r} was trained here, so nothing says by which rows to compare them; "
                "name a dataset_id or a category.",
                data={"field": "category"},
            )
        return (await self._newest(category)).dataset_id

    async def _newest(self, category: Category) -> Manifest:
        manifests = await anyio.to_thread.run_sync(lambda: self._datasets().manifests(category))
        for manifest in manifests:
            if manifest.revoked_at is None and manifest.purpose is Purpose.AGENT:
                return manifest
        raise InvalidRequestError(
            f"There is no dataset of the category {category.value!r}; make one with prepare_dataset "
            f"(toolhone datasets prepare {category.value}).",
            data={"field": "category"},
        )
