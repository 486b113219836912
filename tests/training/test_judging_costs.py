"""A judge model is paid for too: what it may cost is said before."""

import json
from datetime import date
from pathlib import Path

import pytest

from toolhone.models import Category
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.costs import Price
from toolhone.training.judging_costs import judging_usd

PRICE = Price(
    model="judge",
    training=0,
    training_at_most=0,
    input=9,
    output=9,
    base_input=1,
    base_output=4,
    hosting_per_hour=0,
    hosting_hours=0,
    as_of=date(2026, 11, 1),
    source="the test",
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    row = {
        "row_id": "r1",
        "group": "g1",
        "task_type": "scan",
        "messages": [{"role": "user", "content": "scan"}, {"role": "assistant", "content": "clean"}],
        "score": 1.0,
        "recorded_at": "2026-11-20T10:00:00.000000+00:00",
    }
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path


def test_both_answers_to_each_question_are_judged_at_the_judges_price(dataset: Path) -> None:
    config = FinetuningConfig(category=Category.GENERAL, scorer="judge")

    most = judging_usd(PRICE, lambda text: 10, config, dataset)

    room = 256 + len('{"role":"assistant","content":"clean"}')
    read = 10 + 10 + 2 * room
    assert most == pytest.approx(2 * 1.5 * (read * 1 + 1_000 * 4) / 1e6)


def test_other_scorers_cost_nothing(dataset: Path) -> None:
    config = FinetuningConfig(category=Category.GENERAL, scorer="exact")

    assert judging_usd(PRICE, lambda text: 10, config, dataset) == 0
