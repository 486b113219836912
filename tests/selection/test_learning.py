"""Learning from use as a service: what it reads, keeps, serves and takes back."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from toolhone.audit import AuditLog
from toolhone.exceptions import InvalidRequestError, NotRunningError
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject, ToolDefinition
from toolhone.redaction import redact
from toolhone.selection.encoder import Encoder
from toolhone.selection.learned import LearnedRanker
from toolhone.selection.learning import Learning
from toolhone.selection.learning_reports import Outcome
from toolhone.selection.ranking import Learned
from toolhone.selection.selector import Selector
from toolhone.storage.learning import SqliteLearningStore
from toolhone.storage.memory import MemoryAuditStore
from toolhone.stores import AuditQuery, AuditStore

PURPOSES = {
    "crimson": "look after the roses",
    "amber": "feed the hens",
    "violet": "repair a bicycle",
    "teal": "translate a letter",
    "ivory": "book a train",
    "olive": "water the lawn",
    "maroon": "count the stars",
    "azure": "bake some bread",
}
"""What each tool is called for. Its name and its text do not say so."""

SECRET = "ghp_" + "a1B2" * 9
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
REQUESTS = 270
NOW = "2026-02-28T12:00:00.000000+00:00"


def tools(*, changed: Sequence[str] = ()) -> list[ToolDefinition]:
    return [
        ToolDefinition(
            name=name,
            description=f"Does what is {'new' if name in changed else 'usual'} for {name}.",
            input_schema={},
        )
        for name in PURPOSES
    ]


def log_of_use(requests: int) -> list[AuditEvent]:
    """Events of that many requests, each with the call of the tool that serves its purpose."""
    events: list[AuditEvent] = []
    names = list(PURPOSES)
    for number in range(requests):
        right = names[number * 5 % len(names)]
        shown = [names[(number * 3 + place) % len(names)] for place in range(5)]
        moment = START + timedelta(minutes=10 * number)
        caller = Caller(principal="local", session="s")
        task = f"please {PURPOSES[right]} with {SECRET} before {number}"
        payload: JsonObject = {
            "task": task,
            "selected": [[name, 0.5] for name in shown],
            "shown": 5,
            "roster": [name for name in names if name not in shown],
        }
        done: JsonObject = {"arguments": {}, "result": "done"}
        for kind, tool, after, details in (
            (EventKind.SELECTION, None, 0, payload),
            (EventKind.CALL, right, 1, done),
        ):
            events.append(
                AuditEvent(
                    event_id=f"{number}-{after}",
                    timestamp=(moment + timedelta(minutes=after)).isoformat(timespec="microseconds"),
                    kind=kind,
                    caller=caller,
                    tool=tool,
                    success=True,
                    payload=details,
                )
            )
    return events


class WatchedSelector(Selector):
    """Tells when it was handed something learned."""

    handed: anyio.Event

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "learned" and value is not None:
            self.handed.set()


class Workplace:
    """A selector and the service that teaches it, over a log in memory and versions on disk."""

    def __init__(
        self, folder: Path, encoder: Encoder, learn_after: int, remember: Literal["text", "vector"]
    ) -> None:
        self.store: AuditStore = MemoryAuditStore()
        self.audit = AuditLog(lambda: self.store, redact=redact)
        self.selector = WatchedSelector(
            load_encoder=lambda: encoder, open_vectors=None, usage=dict, load_learned=self._load_learned
        )
        self.selector.handed = anyio.Event()
        self.learning = Learning(
            rows=self.audit.query,
            count_calls=self.count_calls,
            open_store=lambda: SqliteLearningStore(folder),
            selector=self.selector,
            redact=redact,
            now=lambda: NOW,
            learn_after=learn_after,
            remember=remember,
        )
        self.selector.update(tools())

    async def _load_learned(self, encoder: str) -> Learned | None:
        return await self.learning.load(encoder)

    async def count_calls(self) -> int:
        return sum(usage.calls for usage in (await self.audit.usage()).values())

    async def record(self, events: Sequence[AuditEvent]) -> None:
        for event in events:
            await self.audit.record(event)

    async def order(self, task: str = "please look after the roses") -> list[tuple[str, float]]:
        await self.selector.wait_indexed()
        found = await self.selector.select(task, max_tools=8, exhaustive=True)
        return [(tool.definition.name, tool.score) for tool in found.tools]


Open: TypeAlias = Callable[..., AbstractAsyncContextManager[Workplace]]


@pytest.fixture
def at_work(tmp_path: Path, encoder: Encoder) -> Open:
    """Opens a workplace whose log has that many requests; the versions of earlier ones are still there."""

    @asynccontextmanager
    async def opened(
        requests: int = 0, *, learn_after: int = 0, remember: Literal["text", "vector"] = "text"
    ) -> AsyncGenerator[Workplace]:
        place = Workplace(tmp_path, encoder, learn_after, remember)
        await place.record(log_of_use(requests))
        async with anyio.create_task_group() as tasks:
            await tasks.start(place.selector.run)
            tasks.start_soon(place.learning.run)
            with anyio.fail_after(120):
                yield place
            tasks.cancel_scope.cancel()
        await place.audit.aclose()

    return opened


async def test_what_was_learned_is_served_at_once_and_after_a_restart(at_work: Open) -> None:
    async with at_work(REQUESTS) as place:
        before = await place.order()
        outcome = await place.learning.learn()
        after = await place.order()
    async with at_work() as place:
        again = await place.order()

    assert outcome.promoted, outcome.verdict.why
    assert before[0][0] != "crimson"
    assert after[0][0] == "crimson"
    assert again == after


async def test_rollback_restores_the_order_exactly(at_work: Open) -> None:
    async with at_work(REQUESTS) as place:
        tasks = [f"please {purpose}" for purpose in PURPOSES.values()]
        before = [await place.order(task) for task in tasks]
        outcome = await place.learning.learn()
        assert outcome.promoted, outcome.verdict.why
        assert [await place.order(task) for task in tasks] != before

        assert await place.learning.rollback() is None
        assert [await place.order(task) for task in tasks] == before

        assert outcome.version is not None
        await place.learning.promote(outcome.version)
        assert (await place.order())[0][0] == "crimson"
        status = await place.learning.status()
    assert [promotion.version for promotion in status.promotions] == [outcome.version, None, outcome.version]


async def test_a_version_says_what_it_rests_on(at_work: Open) -> None:
    async with at_work(REQUESTS) as place:
        outcome = await place.learning.learn()
        status = await place.learning.status()
        again = await place.learning.learn()

    (version,) = status.versions
    assert (status.active, version.version) == (outcome.version, outcome.version)
    assert version.artifact_hash.startswith(f"sha256:{version.version}")
    assert (version.parent, version.expired, version.encoder) == (None, None, "triples")
    assert version.figures["verdict"]["decision"] == "promoted"
    assert version.figures["learned_from"] < version.figures["requests"] == REQUESTS
    assert status.new_calls == 0
    assert json.loads(json.dumps(status.as_json()))["versions"][0]["status"] == "active"
    # What was learned is served now, and nothing came after it.
    assert again.promoted is False


async def test_nothing_unredacted_is_kept_and_no_text_at_all(at_work: Open, tmp_path: Path) -> None:
    async with at_work(REQUESTS) as place:
        await place.learning.learn()

    kept = b"".join(file.read_bytes() for file in tmp_path.glob("selector.db*"))  # noqa: ASYNC240

    assert b"SQLite" in kept
    assert SECRET.encode() not in kept
    assert b"roses" not in kept


async def test_a_task_can_be_remembered_by_its_vector_alone(at_work: Open, tmp_path: Path) -> None:
    async with at_work(remember="vector") as place:
        assert (await place.learning.remembered("hello")).keys() == {"task"}
        await place.order()
        for event in log_of_use(REQUESTS):
            if event.kind is EventKind.SELECTION:
                kept = await place.learning.remembered(event.payload["task"])
                event = replace(event, payload={**event.payload, **kept})
            await place.audit.record(event)
        rows = await place.audit.query(AuditQuery(limit=None))
        outcome = await place.learning.learn()
        order = await place.order()

    assert "roses" not in json.dumps(rows)
    assert outcome.promoted, outcome.verdict.why
    assert order[0][0] == "crimson"


async def test_the_vector_is_that_of_the_redacted_task(at_work: Open) -> None:
    async with at_work(remember="vector") as place:
        await place.order()
        kept = await place.learning.remembered(f"feed the hens with {SECRET}")
        same = await place.learning.remembered(str(redact(f"feed the hens with {SECRET}")))

    assert kept["task_vector"] == same["task_vector"]
    assert kept["task"]["omitted"] is True


async def test_a_task_that_cannot_be_encoded_is_recorded_without_its_vector(
    at_work: Open, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(remember="vector") as place:
        await place.order()

        def fail(task: str) -> None:
            raise ValueError(task)

        monkeypatch.setattr(encoder, "encode_task", fail)
        assert await place.learning.remembered("hello") == {"task": {"omitted": True, "bytes": 5}}


async def test_enough_new_calls_start_learning_by_themselves(at_work: Open) -> None:
    async with at_work(REQUESTS, learn_after=100) as place:
        await place.order()
        place.learning.called()
        await place.selector.handed.wait()

        assert (await place.order())[0][0] == "crimson"


async def test_too_few_new_calls_do_not(at_work: Open) -> None:
    async with at_work(REQUESTS, learn_after=REQUESTS + 100) as place:
        await place.order()
        for _ in range(99):
            place.learning.called()
        await wait_all_tasks_blocked()

        assert (await place.learning.status()).versions == []


async def test_learning_rests_before_it_begins_again(at_work: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolhone.selection.learning.RESTING", 1e9)
    async with at_work(REQUESTS, learn_after=1) as place:
        attempts = 0
        learn = place.learning.learn

        async def counted() -> Outcome:
            nonlocal attempts
            attempts += 1
            return await learn()

        monkeypatch.setattr(place.learning, "learn", counted)
        await place.order()
        place.learning.called()
        await place.selector.handed.wait()
        for _ in range(50):
            place.learning.called()
        await wait_all_tasks_blocked()

        assert attempts == 1


async def test_what_another_process_promotes_is_served(
    at_work: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolhone.selection.learning.LOOK_SECONDS", 0.01)
    async with at_work(REQUESTS) as other:
        await other.learning.learn()
        await other.learning.rollback()
        (version,) = (await other.learning.status()).versions
        async with at_work() as place:
            await place.order()
            await other.learning.promote(version.version)
            await place.selector.handed.wait()

            assert (await place.order())[0][0] == "crimson"


async def test_a_version_of_tools_that_all_changed_expires(at_work: Open) -> None:
    async with at_work(REQUESTS) as place:
        outcome = await place.learning.learn()
        assert outcome.promoted, outcome.verdict.why
        place.selector.update(tools(changed=list(PURPOSES)))
        unlearned = await place.order()
        await place.learning.learn()
        status = await place.learning.status()
        order = await place.order()

    assert status.active is None
    assert status.versions[-1].expired == "None of its 8 tools is there as it was."
    assert order == unlearned
    assert order[0][0] != "crimson"


async def test_what_was_learned_of_a_tool_goes_when_it_changes_and_that_of_others_stays(
    at_work: Open,
) -> None:
    async with at_work(REQUESTS) as place:
        await place.learning.learn()
        place.selector.update(tools(changed=["crimson"]))
        scorer = await place.selector.task_scorer(patient=True)
        learned = place.selector.learned

    assert scorer is not None and isinstance(learned, LearnedRanker)
    assert learned.known_tools(scorer.index) == len(PURPOSES) - 1


async def test_what_belongs_to_another_encoder_is_left_alone(
    at_work: Open, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(REQUESTS) as place:
        before = await place.order()
        await place.learning.learn()
        version = (await place.learning.status()).active
    monkeypatch.setattr(encoder, "name", "another")
    async with at_work() as place:
        assert await place.order() == before
        with pytest.raises(InvalidRequestError, match="belongs to the encoder 'triples'"):
            await place.learning.evaluate(version)


async def test_a_damaged_version_is_left_out_with_a_warning(
    at_work: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(REQUESTS) as place:
        before = await place.order()
        await place.learning.learn()
    with closing(sqlite3.connect(tmp_path / "selector.db")) as connection, connection:
        connection.execute("UPDATE versions SET artifact = x'00'")
    async with at_work() as place:
        assert await place.order() == before

    assert "not what was stored" in caplog.text


async def test_a_version_that_did_not_pass_is_served_only_on_demand(at_work: Open) -> None:
    async with at_work(60) as place:
        outcome = await place.learning.learn()
        assert outcome.version is not None
        assert not outcome.promoted
        with pytest.raises(InvalidRequestError, match="did not pass the gate: Too little to judge by"):
            await place.learning.promote(outcome.version)
        assert (await place.learning.status()).active is None

        await place.learning.promote(outcome.version, anyway=True)
        assert (await place.learning.status()).active == outcome.version


async def test_a_version_is_judged_on_what_came_after_it(at_work: Open) -> None:
    async with at_work(REQUESTS) as place:
        with pytest.raises(InvalidRequestError, match="Nothing was learned yet"):
            await place.learning.evaluate()
        learned = await place.learning.learn()
        judged = await place.learning.evaluate()

    assert judged.version == learned.version
    assert judged.verdict.promoted
    assert judged.verdict.requests == learned.verdict.requests


async def test_an_empty_log_teaches_nothing(at_work: Open) -> None:
    async with at_work() as place:
        outcome = await place.learning.learn()

        assert outcome.version is None
        assert (await place.learning.status()).versions == []


async def test_without_a_selector_versions_can_be_chosen_but_not_learned(
    at_work: Open, tmp_path: Path
) -> None:
    async with at_work(REQUESTS) as place:
        outcome = await place.learning.learn()
        alone = Learning(
            rows=place.audit.query,
            count_calls=place.count_calls,
            open_store=lambda: SqliteLearningStore(tmp_path),
            selector=None,
            redact=redact,
            now=lambda: NOW,
        )
        assert (await alone.status()).active == outcome.version
        assert await alone.rollback() is None
        with pytest.raises(NotRunningError):
            await alone.learn()
