"""A judge model is paid for too: what it may cost is said before, and a price nobody knows is not 0."""

import json
from datetime import date
from pathlib import Path

import pytest

from toolhone.models import Category, JsonObject
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.costs import load_prices
from toolhone.training.judge_model import JudgeModel
from toolhone.training.judging_costs import is_private, judging_usd, price_of_judge


def prices(**usd: float) -> JsonObject:
    terms = {f"{name}_usd_per_million": value for name, value in usd.items()}
    return {"judge.example.com": {"models": {"judge": {**terms, "as_of": date(2026, 11, 1)}}}}


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


@pytest.fixture
def judge() -> JudgeModel:
    cost = price_of_judge("https://judge.example.com/v1", "judge", load_prices(prices(input=1, output=4)))
    return JudgeModel(
        url="https://judge.example.com/v1", key=None, model="judge", cost_usd=cost, count=lambda text: 10
    )


def test_both_answers_to_each_question_are_judged_at_the_judges_price(
    judge: JudgeModel, dataset: Path
) -> None:
    config = FinetuningConfig(category=Category.GENERAL, scorer="judge")

    most = judging_usd(judge, config, dataset)

    room = 256 + len('{"role":"assistant","content":"clean"}')
    read = 10 + 10 + 2 * room
    assert most == pytest.approx(2 * 1.5 * (read * 1 + 2_000 * 4) / 1e6)


def test_other_scorers_cost_nothing(judge: JudgeModel, dataset: Path) -> None:
    config = FinetuningConfig(category=Category.GENERAL, scorer="exact")

    assert judging_usd(judge, config, dataset) == 0


def test_a_price_is_known_from_the_table_also_if_it_is_nothing() -> None:
    url = "https://judge.example.com/v1"
    free = price_of_judge(url, "judge", load_prices(prices(input=0, output=0)))

    assert free is not None and free(1_000, 1_000) == 0
    assert price_of_judge(url, "other", load_prices(prices(input=0, output=0))) is None
    assert price_of_judge("https://api.openai.com/v1", "gpt-of-tomorrow", load_prices()) is None
    dear = price_of_judge("http://127.0.0.1:8000/v1", "judge", load_prices())
    assert dear is not None and dear(1_000, 1_000) == 0


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://vllm:8000/v1", True),
        ("http://judge.internal/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://localhost.example.com/v1", False),
        ("https://evillocalhost.com/v1", False),
        ("nonsense", False),
    ],
)
def test_a_private_endpoint_is_told_by_its_host(url: str, private: bool) -> None:
    assert is_private(url) is private
