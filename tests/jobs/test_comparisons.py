"""Comparing models costs: nothing is asked that was not permitted, bounded and set aside."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from toolhone.events import new_event
from toolhone.exceptions import (
    BudgetExceededError,
    PermissionDeniedError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from toolhone.identifiers import utc_timestamp
from toolhone.jobs.comparisons import Comparisons
from toolhone.models import AuditEvent, Caller, Category
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.jobs import FinetuningProvider
from toolhone.roles import Role
from toolhone.storage.jobs import SqliteJobStore
from toolhone.storage.memory_models import MemoryModelStore
from toolhone.training.answer_scoring import AnswerScoring
from toolhone.training.comparing import ModelComparing
from toolhone.training.contestants import Contestants
from toolhone.training.kept_comparisons import KeptComparisons
from toolhone.training.model_registry import ModelRegistry
from toolhone.training.providers.provider import Answer, AnswersCost, Question

AT = "2026-01-31T12:00:00.000000+00:00"
ADMIN = Caller(principal="admin", role=Role.ADMIN)
OPERATOR = Caller(principal="operator", role=Role.OPERATOR)
SECURITY = Category.CORE_SECURITY
ROWS = [
    Row(
        row_id=f"row-{number}",
        group=f"row-{number}",
        task_type="any",
        messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": "right"}),
        score=1.0,
        recorded_at=AT,
    )
    for number in range(30)
]


@dataclass
class Service:
    """Models that are paid by the question: 10 cents, and 20 at most; what was answered is remembered."""

    most: float = 0.2
    charge: float = 0.1
    kept: dict[tuple[str, str], Answer] = field(default_factory=dict[tuple[str, str], Answer])
    breaks_at: int | None = None
    hangs: bool = False
    hanging: anyio.Event = field(default_factory=anyio.Event)

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        for question in questions:
            if len(self.kept) == self.breaks_at:
                if self.hangs:
                    self.hanging.set()
                    await anyio.sleep_forever()
                raise ProviderUnavailableError("It is down.")
            self.kept.setdefault(
                (model, question.row_id),
                Answer(
                    row_id=question.row_id,
                    message={"role": "assistant", "content": "right" if model == "good" else "wrong"},
                    latency_ms=1,
                    prompt_tokens=1,
                    completion_tokens=1,
                    cost_usd=self.charge,
                ),
            )
        return [self.kept[model, question.row_id] for question in questions]

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        if model == "unpriced":
            raise ProviderRefusedError("No price is known for 'unpriced'.")
        ids = [question.row_id for question in questions]
        kept = {row_id: self.kept[model, row_id] for row_id in ids if (model, row_id) in self.kept}
        missing = [row_id for row_id in ids if row_id not in kept] if self.most else []
        return AnswersCost(kept=kept, most_usd=dict.fromkeys(missing, self.most), at_once=2)


class Datasets:
    """One dataset."""

    def manifest(self, dataset_id: str) -> Manifest:
        return Manifest(
            dataset_id=dataset_id,
            category=SECURITY,
            version=1,
            created_at=AT,
            content_hash="sha256:0",
            request={},
            counts={},
            files={},
            dropped={},
        )

    def rows(self, dataset_id: str, split: Split) -> list[Row]:
        assert split is Split.TEST
        return ROWS


class Shop:
    """Comparisons over a real ledger."""

    def __init__(self, folder: Path, registry: ModelRegistry) -> None:
        self.service = Service()
        self.store = SqliteJobStore(folder)
        self.audited: list[AuditEvent] = []
        self.forgotten: list[str] = []
        self.comparisons = Comparisons(
            ModelComparing(
                Contestants(registry, {FinetuningProvider.OPENAI: self.service}),
                AnswerScoring(),
                lambda name: folder / name,
                lambda: AT,
            ),
            open_jobs=lambda: self.store,
            open_datasets=Datasets,  # pyright: ignore[reportArgumentType]
            choose=self.choose,
            forget=self.forgotten.append,
            kept=KeptComparisons(folder / "kept"),
            record=self.record,
        )

    async def choose(self, a: str, b: str, category: Category | None) -> str:
        return "data-1"

    async def record(self, event: AuditEvent) -> None:
        self.audited.append(event)

    async def most(self, b: str = "openai:good") -> float:
        return await self.comparisons.most_usd("openai:bad", b, None, dataset_id=None, category=None)

    async def compare(self, *, caller: Caller = ADMIN, at_most_usd: float | None = None) -> float:
        """What was paid."""
        compared = await self.comparisons.compare(
            "openai:bad",
            "openai:good",
            None,
            dataset_id=None,
            category=None,
            at_most_usd=at_most_usd,
            caller=caller,
        )
        assert compared.overall.paired.wins == len(ROWS)
        return compared.paid_usd


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncGenerator[Shop]:
    async def forget(event: AuditEvent) -> None:
        """No model is made here."""

    registry = ModelRegistry(MemoryModelStore, forget, new_event, utc_timestamp)
    shop = Shop(tmp_path, registry)
    yield shop
    shop.store.close()
    await registry.aclose()


async def test_a_comparison_is_bounded_before_and_settled_after(shop: Shop) -> None:
    shop.store.set_budget(SECURITY, 20.0, at=AT)
    assert await shop.most() == pytest.approx(12.0)

    assert await shop.compare() == pytest.approx(6.0)

    assert shop.store.budget(SECURITY) == (20.0, 0.0, pytest.approx(6.0))
    assert shop.store.spent() == pytest.approx(6.0)
    (event,) = shop.audited
    assert (event.success, event.payload["action"]) == (True, "compared")
    assert event.payload["cost_usd"] == pytest.approx(6.0)
    assert shop.forgotten == ["data-1"]


async def test_a_comparison_that_was_made_can_be_read_again(shop: Shop) -> None:
    paid = await shop.compare()

    (kept,) = await shop.comparisons.all()
    assert kept.paid_usd == paid
    assert await shop.comparisons.find(shop.audited[0].payload["comparison_id"]) == kept


async def test_what_cannot_be_kept_is_answered_all_the_same(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")

    assert await shop.compare() == pytest.approx(6.0)
    assert shop.audited[0].success


async def test_what_was_answered_is_not_paid_for_again(shop: Shop) -> None:
    await shop.compare()

    assert await shop.most() == 0
    assert await shop.compare(caller=OPERATOR) == 0, "free, so it takes no right to spend"
    assert shop.store.spent() == pytest.approx(6.0)
    assert [event.payload["cost_usd"] for event in shop.audited] == [pytest.approx(6.0), 0]


def too_little_left(shop: Shop) -> None:
    shop.store.set_budget(SECURITY, 11.0, at=AT)


def all_reserved(shop: Shop) -> None:
    shop.store.set_budget(SECURITY, 20.0, at=AT)
    shop.store.reserve("job", SECURITY, 9.0, at=AT)


@pytest.mark.parametrize("spoil", [too_little_left, all_reserved])
async def test_what_does_not_fit_the_budget_is_not_begun(shop: Shop, spoil: Callable[[Shop], None]) -> None:
    spoil(shop)

    with pytest.raises(BudgetExceededError, match=r"The comparison may cost up to \$12.00"):
        await shop.compare()

    assert (shop.service.kept, shop.store.spent(), shop.audited) == ({}, 0.0, [])


async def test_who_may_not_approve_spends_nothing(shop: Shop) -> None:
    with pytest.raises(PermissionDeniedError, match="'approve'"):
        await shop.compare(caller=OPERATOR)
    with pytest.raises(BudgetExceededError, match=r"\$12.0000, more than the \$11.9000"):
        await shop.compare(at_most_usd=11.9)
    with pytest.raises(ProviderRefusedError, match="No price is known"):
        await shop.most("openai:unpriced")

    assert (shop.service.kept, shop.store.spent()) == ({}, 0.0)


async def test_free_models_are_compared_by_who_may_prepare_and_recorded(shop: Shop) -> None:
    shop.service.most = shop.service.charge = 0.0

    assert await shop.compare(caller=OPERATOR) == 0
    assert [event.payload["cost_usd"] for event in shop.audited] == [0]
    assert shop.store.budget(SECURITY) == (None, 0.0, 0.0)


async def test_a_model_that_fails_half_way_costs_what_was_answered_and_was_under_way(shop: Shop) -> None:
    shop.service.breaks_at = 10

    with pytest.raises(ProviderUnavailableError):
        await shop.compare()

    # Ten answers, and two that nobody saw.
    assert shop.store.budget(SECURITY) == (None, 0.0, pytest.approx(1.0 + 0.4))
    (event,) = shop.audited
    assert (event.success, event.error_code) == (False, "provider_unavailable")
    shop.service.breaks_at = None
    assert await shop.compare() == pytest.approx(5.0)


async def test_who_gives_up_leaves_nothing_reserved(shop: Shop) -> None:
    shop.service.breaks_at, shop.service.hangs = 40, True

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shop.compare)
            await shop.service.hanging.wait()
            tasks.cancel_scope.cancel()

    assert shop.store.budget(SECURITY) == (None, 0.0, pytest.approx(4.0 + 0.4))
    assert [event.error_code for event in shop.audited] == ["cancelled"]
