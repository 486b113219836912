"""Models to compare, found by what they are called: an id, an alias, or a base model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.training.model_registry import ModelRegistry
from toolhone.training.providers.provider import Answer, AnswersCost, Question

HOW = (
    "Name a model's id (`toolhone models list`), category/alias, or a base model as provider:name, "
    "such as local:/path/of/a/model."
)


class Answering(Protocol):
    """What of a provider is needed here."""

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]: ...

    async def answers_cost(
        self, model: str, questions: Sequence[Question], workspace: Path
    ) -> AnswersCost: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model that can be let answer."""

    name: str
    """As it was asked for."""
    kind: FinetuningProvider
    provider: Answering
    model: str
    path: Path | None = None
    category: Category | None = None
    """Of a model that was trained here; likewise what follows."""
    dataset_id: str | None = None
    tainted: str | None = None


class Contestants:
    """Finds models by name among those trained here and those that providers have."""

    def __init__(self, registry: ModelRegistry, providers: Mapping[FinetuningProvider, Answering]) -> None:
        self._registry = registry
        self._providers = providers

    async def pair(self, a: str, b: str) -> tuple[Contestant, Contestant]:
        """Two models to compare.

        Raises:
            InvalidRequestError: One is not known, or both are the same.
        """
        known = {model.model_id: model for model in await self._registry.models()}
        records = [await self._record(name, known) for name in (a, b)]
        kinds = [record.provider for record in records if record is not None]
        first, second = (
            self._tuned(name, record) if record is not None else self._base(name, kinds, list(known))
            for name, record in zip((a, b), records, strict=True)
        )
        if (first.kind, first.model, first.path) == (second.kind, second.model, second.path):
            raise InvalidRequestError(f"{a!r} and {b!r} are the same model; name two that differ.")
        return first, second

    async def _record(self, name: str, known: Mapping[str, ModelRecord]) -> ModelRecord | None:
        if name in known:
            return known[name]
        category, separator, alias = name.partition("/")
        if not separator or category not in {one.value for one in Category}:
            return None
        model = await self._registry.resolve(Category(category), alias)
        if model is None:
            raise InvalidRequestError(
                f"{alias!r} of {category!r} stands for no tuned model but for the base model. {HOW}",
                data={"model": name},
            )
        return model

    def _tuned(self, name: str, record: ModelRecord) -> Contestant:
        return Contestant(
            name=name,
            kind=record.provider,
            provider=self._provider(record.provider),
            model=record.model_id,
            path=Path(record.path) if record.path is not None else None,
            category=record.category,
            dataset_id=record.dataset_id,
            tainted=record.tainted,
        )

    def _base(self, name: str, kinds: list[FinetuningProvider], known: list[str]) -> Contestant:
        word, separator, model = name.partition(":")
        if separator and model and word in {one.value for one in FinetuningProvider}:
            kind = FinetuningProvider(word)
        elif len(set(kinds)) == 1:
            kind, model = kinds[0], name
        else:
            raise InvalidRequestError(
                f"There is no model {name!r}. {HOW}", data={"model": name, "known": known[:20]}
            )
        return Contestant(name=name, kind=kind, provider=self._provider(kind), model=model)

    def _provider(self, kind: FinetuningProvider) -> Answering:
        if kind not in self._providers:
            raise InvalidRequestError(f"The provider {kind.value!r} is not there, so it cannot answer. {HOW}")
        return self._providers[kind]
