"""An alias moves only to a model that passed, or by a recorded override; going back works like undoing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError
from toolhone.identifiers import utc_timestamp
from toolhone.models import AuditEvent, Caller, Category, EventKind, Json
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.storage.models import SqliteModelStore
from toolhone.training.model_registry import ModelRegistry

ANN = Caller(principal="ann")
GENERAL = Category.GENERAL


def model(model_id: str, *, passed: bool = True, dataset: str = "data-1") -> ModelRecord:
    return ModelRecord(
        model_id=model_id,
        category=GENERAL,
        provider=FinetuningProvider.LOCAL,
        base_model="small",
        created_at="2026-01-31T12:00:00.000000+00:00",
        job_id="job",
        dataset_id=dataset,
        artifact_hash="sha256:0",
        passed=passed,
        verdict={"decision": "passed" if passed else "failed", "why": "It answers as it should."},
    )


class Log:
    """The audit events of a test."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    def payloads(self, action: str) -> list[dict[str, Json]]:
        assert {event.kind for event in self.events} <= {EventKind.MODEL}
        return [event.payload for event in self.events if event.payload["action"] == action]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def registry(tmp_path: Path, log: Log) -> AsyncIterator[ModelRegistry]:
    registry = ModelRegistry(lambda: SqliteModelStore(tmp_path), log.record, new_event, utc_timestamp)
    for model_id, dataset in (("one", "data-1"), ("two", "data-2"), ("three", "data-3")):
        await registry.add(model(model_id, dataset=dataset))
    await registry.add(model("weak", passed=False, dataset="data-4"))
    yield registry
    await registry.aclose()


async def promote(registry: ModelRegistry, *model_ids: str, override: str | None = None) -> None:
    for model_id in model_ids:
        await registry.set_alias(GENERAL, "production", model_id, caller=ANN, override=override)


async def served(registry: ModelRegistry) -> str | None:
    found = await registry.resolve(GENERAL, "production")
    return found.model_id if found else None


async def rolled_back(registry: ModelRegistry) -> str | None:
    return (await registry.rollback_alias(GENERAL, "production", caller=ANN)).model_id


async def test_an_alias_that_was_never_set_stands_for_the_base_model(registry: ModelRegistry) -> None:
    assert await registry.resolve(GENERAL, "production") is None
    assert await registry.aliases() == []
    with pytest.raises(InvalidRequestError, match="nothing to roll back"):
        await rolled_back(registry)


async def test_a_model_that_passed_can_be_served_and_the_change_is_audited(
    registry: ModelRegistry, log: Log
) -> None:
    await promote(registry, "one", "two")

    assert await served(registry) == "two"
    (present,) = await registry.aliases(GENERAL)
    assert (present.model_id, present.by, present.override) == ("two", "ann", False)
    assert [one.model_id for one in await registry.history(GENERAL, "production")] == ["two", "one"]
    assert log.payloads("alias")[-1] == {
        "action": "alias",
        "category": "general",
        "alias": "production",
        "model_id": "two",
        "before": "one",
        "why": "It passed its gate.",
        "override": False,
        "rolled_back": False,
    }
    assert log.events[-1].caller == ANN


async def test_a_model_that_did_not_pass_is_refused_with_the_gate_s_reason(
    registry: ModelRegistry, log: Log
) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"did not pass its gate\. It answers as it should\..*override"
    ):
        await promote(registry, "weak")

    assert await served(registry) is None
    assert log.payloads("alias") == []


async def test_an_override_is_kept_and_audited_with_its_reason(registry: ModelRegistry, log: Log) -> None:
    await promote(registry, "weak", override="  a trial with our own people ")

    assert await served(registry) == "weak"
    (present,) = await registry.aliases()
    assert (present.override, present.why) == (True, "a trial with our own people")
    assert log.payloads("alias")[-1]["override"] is True


async def test_an_override_that_was_not_needed_is_none(registry: ModelRegistry) -> None:
    await promote(registry, "one", override="to be sure")

    (present,) = await registry.aliases()
    assert (present.override, present.why) == (False, "to be sure")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
async def test_an_override_needs_a_reason(registry: ModelRegistry, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match="only for a reason"):
        await promote(registry, "weak", override=reason)


async def test_a_model_of_another_category_needs_an_override(registry: ModelRegistry) -> None:
    with pytest.raises(InvalidRequestError, match="made and judged for 'general'"):
        await registry.set_alias(Category.ECOMMERCE, "production", "one", caller=ANN)


@pytest.mark.parametrize("alias", ["", "Production", "a b", "-x", "x" * 51, "../up", "ä"])
async def test_an_odd_name_of_an_alias_is_refused(registry: ModelRegistry, alias: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be called"):
        await registry.set_alias(GENERAL, alias, "one", caller=ANN)
    with pytest.raises(InvalidRequestError, match="cannot be called"):
        await registry.rollback_alias(GENERAL, alias, caller=ANN)


async def test_an_unknown_model_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(InvalidRequestError, match="no model 'four'"):
        await promote(registry, "four")


async def test_going_back_goes_further_back_each_time(registry: ModelRegistry) -> None:
    await promote(registry, "one", "two", "one", "three")

    assert [await rolled_back(registry) for _ in range(4)] == ["one", "two", "one", None]
    assert await served(registry) is None
    with pytest.raises(InvalidRequestError, match="nothing to roll back"):
        await rolled_back(registry)


async def test_after_going_back_a_new_model_goes_on_from_there(registry: ModelRegistry) -> None:
    await promote(registry, "one", "two")
    assert await rolled_back(registry) == "one"
    await promote(registry, "three")

    assert [await rolled_back(registry), await rolled_back(registry)] == ["one", None]


async def test_the_base_model_can_be_asked_for_and_gone_back_from(registry: ModelRegistry) -> None:
    await promote(registry, "one")
    await registry.set_alias(GENERAL, "production", None, caller=ANN)

    assert await served(registry) is None
    assert await rolled_back(registry) == "one"


async def test_setting_what_is_set_changes_nothing(registry: ModelRegistry, log: Log) -> None:
    await promote(registry, "one", "one")

    assert len(await registry.history(GENERAL, "production")) == 1
    assert len(log.payloads("alias")) == 1


async def test_models_of_an_erased_dataset_are_left_for_what_was_before(
    registry: ModelRegistry, log: Log
) -> None:
    await promote(registry, "one", "two", "three")
    await registry.set_alias(GENERAL, "canary", "two", caller=ANN)

    assert await registry.taint("data-2", "a user was erased", caller=ANN) == ["two"]
    assert await served(registry) == "three"
    assert await registry.resolve(GENERAL, "canary") is None

    assert await registry.taint("data-3", "another was erased") == ["three"]
    assert await served(registry) == "one"
    assert [one["why"] for one in log.payloads("tainted")] == ["a user was erased", "another was erased"]
    assert log.payloads("alias")[-1]["rolled_back"] is True

    assert await rolled_back(registry) is None
    with pytest.raises(InvalidRequestError, match="not to be used any more: a user was erased"):
        await promote(registry, "two")


async def test_marking_again_is_harmless(registry: ModelRegistry) -> None:
    await promote(registry, "one")

    assert await registry.taint("data-1", "erased") == await registry.taint("data-1", "erased") == ["one"]
    assert await registry.taint("no-such", "erased") == []
    assert len(await registry.history(GENERAL, "production")) == 2


async def test_a_model_marked_by_another_process_is_not_served(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    await promote(registry, "one")
    other = SqliteModelStore(tmp_path)
    other.taint("data-1", "erased")
    other.close()

    assert await served(registry) is None


async def test_many_processes_going_back_at_once_undo_one_step_each(
    registry: ModelRegistry, tmp_path: Path, log: Log
) -> None:
    await promote(registry, *["one", "two", "three"] * 3)
    others = [
        ModelRegistry(lambda: SqliteModelStore(tmp_path), log.record, new_event, utc_timestamp)
        for _ in range(4)
    ]
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for one in others:
                tasks.start_soon(rolled_back, one)
    for one in others:
        await one.aclose()

    # Nine were set and four undone.
    assert await served(registry) == "two"


async def test_a_model_that_is_judged_again_is_used_by_its_new_verdict(registry: ModelRegistry) -> None:
    await registry.add(replace(model("weak", dataset="data-4"), passed=True))
    await promote(registry, "weak")

    assert await served(registry) == "weak"
