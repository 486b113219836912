"""Erasing reaches everything that is kept of somebody, and an interrupted erasure can be finished."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError, StorageError, ToolhoneError
from toolhone.models import LOCAL_CALLER, Caller, Category, EventKind, Json, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.snapshots import SnapshotQuery
from toolhone.records.stores import DatasetStore
from toolhone.redaction import redact
from toolhone.snapshots.collector import Collector, new_snapshot
from toolhone.snapshots.erasure import WHY, Erasing, Erasure
from toolhone.storage.memory import MemoryAuditStore, MemoryResultStore
from toolhone.storage.memory_snapshots import MemorySnapshotStore
from toolhone.stores import AuditQuery, StoredResult

Make = Callable[..., JsonObject]
NOW = "2026-03-01T12:00:00.000000+00:00"


class Interrupted(Exception):
    """The process died here."""


def manifest(dataset_id: str) -> Manifest:
    return Manifest(
        dataset_id=dataset_id,
        category=Category.GENERAL,
        version=1,
        created_at=NOW,
        content_hash="h",
        request={},
        counts={},
        files={},
        dropped={},
    )


@dataclass
class Datasets:
    """What of a store of datasets matters here, with the making of new versions and the models on them."""

    held: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    manifests: dict[str, Manifest] = field(default_factory=dict[str, Manifest])
    tainted: dict[str, str] = field(default_factory=dict[str, str])
    steps: list[str] = field(default_factory=list[str])
    die_at: str = ""
    """The step at whose end the process dies."""
    too_little_left: bool = False
    refuses: bool = False
    late: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """A dataset that is finished by somebody else while the first is revised."""
    late_models: dict[str, str] = field(default_factory=dict[str, str])
    """A model whose training ends while its dataset is revised."""
    models: dict[str, str] = field(default_factory=dict[str, str])
    """The dataset that a model was trained on."""

    def add(self, dataset_id: str, *snapshot_ids: str) -> None:
        self.held[dataset_id] = set(snapshot_ids)
        self.manifests[dataset_id] = manifest(dataset_id)

    def in_use(self) -> dict[str, set[str]]:
        return {name: held for name, held in self.held.items() if self.manifests[name].revoked_at is None}

    def holding(self, snapshot_ids: Sequence[str]) -> list[Manifest]:
        return [self.manifests[name] for name, held in self.in_use().items() if held & set(snapshot_ids)]

    def members(self, dataset_id: str) -> set[str]:
        return self.held[dataset_id]

    def manifest(self, dataset_id: str) -> Manifest:
        return self.manifests[dataset_id]

    def revoke(self, dataset_id: str, *, at: str, why: str, replaced_by: str | None) -> None:
        self.manifests[dataset_id] = replace(
            self.manifests[dataset_id], revoked_at=at, revoked_why=why, replaced_by=replaced_by
        )
        self._did("revoke")

    async def revise(
        self, dataset_id: str, without: set[str], *, why: str, caller: Caller
    ) -> Manifest | None:
        assert (why, caller) == (WHY, LOCAL_CALLER)
        if self.refuses:
            raise StorageError("no room for a new version")
        for name, held in self.late.items():
            self.add(name, *held)
        self.late = {}
        self.models |= self.late_models
        if self.too_little_left:
            self._did("revise")
            return None
        self.add(f"{dataset_id}+", *(self.held[dataset_id] - without))
        self._did("revise")
        return self.manifests[f"{dataset_id}+"]

    async def taint(self, dataset_id: str, why: str, *, caller: Caller) -> list[str]:
        of_it = [f"model of {dataset_id}", *(name for name in self.models if self.models[name] == dataset_id)]
        self.tainted |= dict.fromkeys(of_it, why)
        self._did("taint")
        return of_it

    def _did(self, step: str) -> None:
        self.steps.append(step)
        if step == self.die_at:
            self.die_at = ""
            raise Interrupted


class Place:
    """All that is kept, with something of Anna's and of Ben's everywhere."""

    def __init__(self, handed_in: Make) -> None:
        self.snapshots = MemorySnapshotStore()
        self.results = MemoryResultStore(max_bytes=1_000_000, clock=lambda: 0)
        self.datasets = Datasets()
        self.audit_store = MemoryAuditStore()
        self.audit = AuditLog(lambda: self.audit_store, redact=redact)
        self.forgotten: list[tuple[Collection[str], Collection[str]]] = []
        self.answers = 3
        self._handed_in = handed_in
        self._numbers = iter(range(1, 1_000))
        self.collector = Collector(
            lambda: self.snapshots,
            redact=redact,
            record=self.audit.record,
            new_event=new_event,
            now=lambda: NOW,
            new_id=lambda: f"s{next(self._numbers)}",
        )
        self.erasing = Erasing(
            snapshots=lambda: self.snapshots,
            results=lambda: self.results,
            datasets=lambda: cast(DatasetStore, self.datasets),
            audit=self.audit,
            redact=redact,
            revise=self.datasets.revise,
            taint=self.datasets.taint,
            forgetting=self.forgetting,
            erase_answers=self.erase_answers,
            new_event=new_event,
            now=lambda: NOW,
        )

    @asynccontextmanager
    async def forgetting(
        self, *, snapshots: Collection[str] = (), events: Collection[str] = ()
    ) -> AsyncGenerator[int]:
        held = {
            row["audit_id"] for row in self.audit_store.export(AuditQuery(limit=None)) if not row["erased"]
        }
        assert held >= set(events)  # interrupted now, the next erasure finds them again
        self.forgotten.append((snapshots, events))
        yield len(snapshots) + len(events)

    def erase_answers(self) -> int:
        answers, self.answers = self.answers, 0
        return answers

    async def collect(self, **changes: Json) -> str:
        (snapshot_id,) = await self.collector.collect(
            [new_snapshot(self._handed_in(**changes))], caller=LOCAL_CALLER
        )
        return snapshot_id

    async def call(self, principal: str = "local", client: str | None = None, **payload: Json) -> str:
        event = new_event(
            EventKind.CALL,
            Caller(principal=principal, client=client),
            tool="t",
            payload=payload or {"arguments": {}},
        )
        await self.audit.record(event)
        return event.event_id

    def keep_result(self, handle: str, principal: str) -> None:
        self.results.put(
            StoredResult(
                handle=handle,
                principal=principal,
                tool="t",
                call_id="c",
                created_at=0,
                expires_at=10,
                media="json",
                body=b"{}",
            )
        )

    def agents(self) -> list[str]:
        return [one.agent_id for one in self.snapshots.select(SnapshotQuery())]

    def rows(self, *kinds: EventKind) -> list[JsonObject]:
        return self.audit_store.query(AuditQuery(kinds=kinds or None, limit=None, newest_first=False))

    def with_payload(self) -> set[str]:
        return {row["audit_id"] for row in self.rows() if not row["erased"]}

    def told(self) -> list[str]:
        return [row["details"]["what"] for row in self.rows(EventKind.ERASURE) if "what" in row["details"]]


@pytest.fixture
def place(handed_in: Make) -> Place:
    return Place(handed_in)


async def test_a_user_is_erased_everywhere_and_nobody_else_is(place: Place) -> None:
    hers, his = await place.collect(user_id="anna-7"), await place.collect(user_id="ben-8")
    place.datasets.add("d1", hers, his)
    place.datasets.add("d2", his)
    place.keep_result("r1", "anna-7")
    place.keep_result("r2", "ben-8")
    by_her = await place.call(principal="anna-7")
    about_her = await place.call(arguments={"text": "order of anna-7, urgent"})
    others = {await place.call(principal="ben-8"), await place.call(arguments={"text": "for anna-77"})}

    outcome = await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert outcome == Erasure(
        snapshots=1,
        results=1,
        events=2,
        datasets={"d1": "d1+"},
        models=("model of d1",),
        exports=3,
        answers=3,
    )
    assert place.snapshots.erased() == [hers]
    assert [one.snapshot_id for one in place.snapshots.select(SnapshotQuery())] == [his]
    assert place.datasets.in_use() == {"d1+": {his}, "d2": {his}}
    assert place.datasets.manifests["d1"].replaced_by == "d1+"
    assert place.datasets.tainted.keys() == {"model of d1"}
    left = place.with_payload()
    assert others <= left and not {by_her, about_her} & left
    assert (await place.audit.verify()).whole
    assert place.results.get("r2", "ben-8")


async def test_an_agent_is_erased_by_what_it_caused_not_by_what_is_called_like_it(place: Place) -> None:
    await place.collect(agent_id="claude")
    await place.collect(agent_id="other")
    caused = [await place.call(client="claude"), await place.call(principal="claude")]
    spoken_of = await place.call(arguments={"text": "ask claude"})
    (collected, _) = [row["audit_id"] for row in place.rows(EventKind.SNAPSHOT)]

    outcome = await place.erasing.erase(agent_id="claude", caller=LOCAL_CALLER)

    assert (outcome.snapshots, outcome.events) == (1, 3)
    assert place.agents() == ["other"]
    assert not {*caused, collected} & place.with_payload()
    assert spoken_of in place.with_payload()


async def test_an_agent_whose_id_was_an_address_is_found_under_it(place: Place) -> None:
    await place.collect(agent_id="anna@example.com")

    outcome = await place.erasing.erase(agent_id="anna@example.com", caller=LOCAL_CALLER)

    assert (outcome.snapshots, outcome.events, place.agents()) == (1, 1, [])
    assert "anna@example.com" not in str(place.rows())


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"arguments": {"user_id": "42"}}, True),
        ({"arguments": {"user_id": 42}}, True),
        ({"arguments": {"users": [{"userId": 42}]}}, True),
        ({"arguments": {"count": 42}}, False),
        ({"arguments": {"text": "42 rows"}}, False),
        ({"result": {"customer": "42"}}, True),
        ({"error": {"code": "c", "message": "m", "data": {"user": "42"}}}, True),
    ],
)
async def test_a_short_name_counts_only_where_it_must_be_one(
    place: Place, payload: JsonObject, found: bool
) -> None:
    await place.call(**payload)

    outcome = await place.erasing.erase(user_id="42", caller=LOCAL_CALLER)

    assert outcome.events == int(found)


async def test_it_is_recorded_when_it_begins_and_what_it_did_without_the_users_name(place: Place) -> None:
    await place.collect(user_id="anna-7")

    await place.erasing.erase(user_id="anna-7", caller=Caller(principal="boss"))

    rows = [row for row in place.rows(EventKind.ERASURE) if "what" in row["details"]]
    assert [row["details"]["what"] for row in rows] == ["erasure begun", "erasure done"]
    assert {row["user_id"] for row in rows} == {"boss"}
    assert rows[1]["details"]["snapshots"] == 1
    assert rows[0]["details"]["subject"] == rows[1]["details"]["subject"]
    assert "anna-7" not in str(place.rows())


@pytest.mark.parametrize("step", ["taint", "revise", "revoke"])
async def test_an_erasure_that_died_is_finished_by_the_next(place: Place, step: str) -> None:
    hers, his = await place.collect(user_id="anna-7"), await place.collect(user_id="ben-8")
    place.datasets.add("d1", hers, his)
    place.datasets.add("d2", hers)
    about_her = await place.call(arguments={"user": "anna-7"})
    place.datasets.die_at = step

    with pytest.raises(Interrupted):
        await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)
    assert place.told() == ["erasure begun"]

    await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert all(hers not in held for held in place.datasets.in_use().values())
    assert place.datasets.tainted.keys() == {"model of d1", "model of d2"}
    assert about_her not in place.with_payload()
    assert place.told() == ["erasure begun", "erasure begun", "erasure done"]


async def test_a_model_whose_training_ends_during_the_erasure_is_marked_too(place: Place) -> None:
    place.datasets.add("d1", await place.collect(user_id="anna-7"))
    place.datasets.late_models = {"late": "d1"}

    outcome = await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert outcome.models == ("late", "model of d1")
    assert place.datasets.tainted.keys() == {"late", "model of d1"}


async def test_what_an_erasure_left_behind_is_cleaned_by_that_of_somebody_else(place: Place) -> None:
    hers = await place.collect(user_id="anna-7")
    place.datasets.add("d1", hers)
    place.datasets.die_at = "taint"
    with pytest.raises(Interrupted):
        await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    await place.erasing.erase(agent_id="nobody", caller=LOCAL_CALLER)

    assert all(hers not in held for held in place.datasets.in_use().values())


async def test_a_dataset_that_was_being_made_meanwhile_is_cleaned_too(place: Place) -> None:
    hers = await place.collect(user_id="anna-7")
    place.datasets.add("d1", hers)
    place.datasets.late = {"late": {hers}}

    outcome = await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert outcome.datasets == {"d1": "d1+", "late": "late+"}

    place.datasets.add("later", hers)
    assert await place.erasing.clean_datasets(caller=LOCAL_CALLER) == {"later": "later+"}
    assert await place.erasing.clean_datasets(caller=LOCAL_CALLER) == {}
    assert place.told().count("datasets cleaned") == 1


async def test_a_dataset_with_too_little_left_is_revoked_without_a_successor(place: Place) -> None:
    place.datasets.add("d1", await place.collect(user_id="anna-7"))
    place.datasets.too_little_left = True

    outcome = await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert outcome.datasets == {"d1": None}
    assert place.datasets.in_use() == {}


async def test_a_dataset_that_cannot_be_made_anew_is_revoked_all_the_same(place: Place) -> None:
    place.datasets.add("d1", await place.collect(user_id="anna-7"))
    place.datasets.refuses = True

    outcome = await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert outcome.datasets == {"d1": None}
    assert outcome.problems == ("d1: no room for a new version",)
    assert place.datasets.in_use() == {}
    assert place.datasets.manifests["d1"].revoked_why == WHY


async def test_a_store_that_does_not_revoke_ends_it_with_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.datasets.add("d1", await place.collect(user_id="anna-7"))

    def revoke(dataset_id: str, *, at: str, why: str, replaced_by: str | None) -> None:
        """Does nothing."""

    monkeypatch.setattr(place.datasets, "revoke", revoke)

    with pytest.raises(ToolhoneError, match="'d1' was revoked"):
        await place.erasing.erase(user_id="anna-7", caller=LOCAL_CALLER)
    assert "erasure done" not in place.told()


async def test_somebody_of_whom_nothing_is_kept_is_erased_easily(place: Place) -> None:
    outcome = await place.erasing.erase(user_id="nobody", caller=LOCAL_CALLER)

    assert outcome == Erasure(snapshots=0, results=0, events=0, datasets={}, models=(), answers=3)
    assert place.told() == ["erasure begun", "erasure done"]


@pytest.mark.parametrize("names", [{}, {"agent_id": "a", "user_id": "b"}, {"user_id": ""}])
async def test_one_agent_or_one_user_is_erased(place: Place, names: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="either an agent or a user"):
        await place.erasing.erase(**names, caller=LOCAL_CALLER)
    assert place.rows() == []


async def test_a_dataset_of_recorded_use_goes_with_the_rows_of_the_audit_it_was_made_of(place: Place) -> None:
    caller = Caller(principal="anna", client="anna")
    event = new_event(EventKind.SELECTION, caller, success=True, payload={"task": "find a flight"})
    await place.audit.record(event)
    place.datasets.add("selector_d", event.event_id, "of-somebody-else")

    outcome = await place.erasing.erase(agent_id="anna", caller=LOCAL_CALLER)

    assert outcome.datasets == {"selector_d": None}
    assert outcome.models == ("model of selector_d",)
    assert place.datasets.manifests["selector_d"].revoked_at == NOW


async def test_exports_and_kept_answers_are_reached_before_the_audit_forgets(place: Place) -> None:
    snapshot_id = await place.collect(user_id="anna")
    event_id = await place.call(arguments={"user": "anna"})

    outcome = await place.erasing.erase(user_id="anna", caller=LOCAL_CALLER)

    [(snapshots, events)] = place.forgotten
    assert list(snapshots) == [snapshot_id]
    assert event_id in events
    assert (outcome.exports, outcome.answers) == (1 + len(events), 3)
