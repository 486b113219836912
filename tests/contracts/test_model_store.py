"""What every ModelStore does."""

from dataclasses import replace

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.jobs import AliasChange, FinetuningProvider, ModelRecord
from toolhone.records.stores import ModelStore

AT = "2026-01-31T12:00:00.000000+00:00"


def model(model_id: str, *, category: Category = Category.GENERAL, dataset: str = "data-1") -> ModelRecord:
    return ModelRecord(
        model_id=model_id,
        category=category,
        provider=FinetuningProvider.LOCAL,
        base_model="small",
        created_at=AT,
        job_id=f"job-of-{model_id}",
        dataset_id=dataset,
        artifact_hash="sha256:" + "0" * 64,
        path=f"/models/{model_id}",
        passed=True,
        verdict={"decision": "passed", "tuned_score": {"mean": 0.9}},
    )


def change(
    model_id: str | None, *, alias: str = "production", category: Category = Category.GENERAL
) -> AliasChange:
    return AliasChange(
        category=category, alias=alias, model_id=model_id, at=AT, by="local", why="because", override=True
    )


def test_there_is_nothing_at_first(model_store: ModelStore) -> None:
    assert model_store.models() == []
    assert model_store.aliases() == []
    assert model_store.alias_history(Category.GENERAL, "production") == []
    assert model_store.taint("data-1", "revoked") == []
    with pytest.raises(InvalidRequestError, match=r"no model 'none'.*No training has made one"):
        model_store.model("none")


def test_a_model_comes_back_as_it_was_kept(model_store: ModelStore) -> None:
    first = model("first")
    second = replace(model("second", category=Category.ECOMMERCE), path=None, passed=False, tainted="why")
    model_store.add(first)
    model_store.add(second)

    assert model_store.models() == [second, first]
    assert model_store.models(Category.ECOMMERCE) == [second]
    assert model_store.model("first") == first


def test_a_message_about_an_unknown_model_names_some_that_exist(model_store: ModelStore) -> None:
    for number in range(7):
        model_store.add(model(f"model-{number}"))

    with pytest.raises(InvalidRequestError, match=r"'model-6', 'model-5', .*'model-2'\.$"):
        model_store.model("model-7")


def test_a_model_that_is_judged_again_keeps_its_place_and_its_mark(model_store: ModelStore) -> None:
    model_store.add(model("first"))
    model_store.add(model("second", dataset="data-2"))
    model_store.taint("data-1", "revoked")
    again = replace(model("first"), passed=False, verdict={"decision": "failed"})
    model_store.add(again)

    assert model_store.models() == [model("second", dataset="data-2"), replace(again, tainted="revoked")]


def test_all_models_of_a_dataset_are_marked_once(model_store: ModelStore) -> None:
    for name, dataset in (("first", "data-1"), ("second", "data-1"), ("other", "data-2")):
        model_store.add(model(name, dataset=dataset))

    assert model_store.taint("data-1", "revoked") == ["second", "first"]
    assert model_store.taint("data-1", "again") == ["second", "first"]
    assert {one.model_id: one.tainted for one in model_store.models()} == {
        "first": "revoked",
        "second": "revoked",
        "other": None,
    }


def test_an_alias_stands_for_its_last_change(model_store: ModelStore) -> None:
    model_store.add(model("first"))
    first, back = change("first"), replace(change(None), override=False, rolled_back=True)
    other, elsewhere = change("first", alias="canary"), change("first", category=Category.ECOMMERCE)

    assert model_store.set_alias(first, instead_of=None)
    assert model_store.set_alias(other, instead_of=None)
    assert model_store.set_alias(elsewhere, instead_of=None)
    assert model_store.set_alias(back, instead_of=first)

    assert model_store.aliases() == [elsewhere, other, back]
    assert model_store.aliases(Category.GENERAL) == [other, back]
    assert model_store.alias_history(Category.GENERAL, "production") == [back, first]


def test_a_change_on_top_of_one_that_is_gone_is_not_kept(model_store: ModelStore) -> None:
    model_store.add(model("first"))
    model_store.add(model("second"))
    first, second = change("first"), change("second")
    assert model_store.set_alias(first, instead_of=None)

    assert not model_store.set_alias(second, instead_of=None)
    assert not model_store.set_alias(change(None), instead_of=second)

    assert model_store.aliases() == [first]
