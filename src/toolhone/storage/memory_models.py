"""Models and aliases in memory: for tests, and for library use that should leave nothing behind."""

from dataclasses import replace

from toolhone.models import Category
from toolhone.records.jobs import AliasChange, ModelRecord
from toolhone.storage.models import NAMED, unknown_model


class MemoryModelStore:
    """Models in a dictionary, changes of aliases in a list."""

    def __init__(self) -> None:
        self._models: dict[str, ModelRecord] = {}
        self._changes: list[AliasChange] = []

    def add(self, model: ModelRecord) -> None:
        kept = self._models.get(model.model_id, model)
        self._models[model.model_id] = replace(model, tainted=kept.tainted or model.tainted)

    def models(self, category: Category | None = None) -> list[ModelRecord]:
        return [one for one in reversed(self._models.values()) if category in (None, one.category)]

    def model(self, model_id: str) -> ModelRecord:
        if model_id not in self._models:
            raise unknown_model(model_id, list(reversed(self._models))[:NAMED])
        return self._models[model_id]

    def taint(self, dataset_id: str, why: str) -> list[str]:
        found = [one for one in self.models() if one.dataset_id == dataset_id]
        for one in found:
            self._models[one.model_id] = replace(one, tainted=one.tainted or why)
        return [one.model_id for one in found]

    def set_alias(self, change: AliasChange, *, instead_of: AliasChange | None) -> bool:
        history = self.alias_history(change.category, change.alias)
        if (history[0] if history else None) != instead_of:
            return False
        self._changes.append(change)
        return True

    def aliases(self, category: Category | None = None) -> list[AliasChange]:
        newest = {(one.category, one.alias): one for one in self._changes}
        return [one for _, one in sorted(newest.items()) if category in (None, one.category)]

    def alias_history(self, category: Category, alias: str) -> list[AliasChange]:
        return [one for one in reversed(self._changes) if (one.category, one.alias) == (category, alias)]

    def close(self) -> None:
        """Nothing is open."""
