"""Comparisons that were made can be read again, until their dataset goes."""

from dataclasses import replace
from pathlib import Path

import pytest

from toolhone.evaluation.intervals import Interval
from toolhone.evaluation.paired import Method, PairedResult
from toolhone.exceptions import NotFoundError, StorageError
from toolhone.models import Category
from toolhone.training.copies import forget_copies
from toolhone.training.kept_comparisons import KeptComparisons
from toolhone.training.model_comparison import Compared, Example, ModelComparison, Side

FIRST = "compare_20261123_100000_00000001"
SECOND = "compare_20261123_110000_00000000"


def made(comparison_id: str, dataset_id: str | None = "data-1") -> ModelComparison:
    side = Side(
        name="a",
        score=Interval(0.5, 0.4, 0.6),
        latency_p50_ms=1.5,
        latency_p95_ms=None,
        cost_usd=0.0,
        prompt_tokens=1,
        completion_tokens=2,
        turns=3,
        errors=1,
    )
    paired = PairedResult(
        difference=Interval(0.1, -0.1, 0.3), p_value=0.5, method=Method.DRAWN, wins=2, ties=1, losses=0
    )
    overall = Compared(n=3, a=side, b=replace(side, name="b"), paired=paired)
    example = Example(
        row_id="row",
        task_type="scan",
        asked={"role": "user", "content": [{"type": "text", "text": "ü"}]},
        expected={"role": "assistant", "content": "x"},
        a=None,
        b={"role": "assistant", "tool_calls": [{"id": "1"}]},
        a_score=0.0,
        b_score=1.0,
    )
    return ModelComparison(
        at="2026-11-23T10:00:00.000000+00:00",
        category=Category.GENERAL,
        dataset_id=dataset_id,
        scorer="exact",
        scorer_why="word for word",
        overall=overall,
        by_task_type={"scan": overall},
        differences=(0.0, 1.0),
        examples=(example,),
        conclusion="b is better",
        comparison_id=comparison_id,
    )


@pytest.fixture
def kept(tmp_path: Path) -> KeptComparisons:
    return KeptComparisons(tmp_path / "comparisons")


def test_what_was_kept_is_read_as_it_was_made(kept: KeptComparisons) -> None:
    kept.keep(made(FIRST))
    assert kept.find(FIRST) == made(FIRST)
    assert kept.find(FIRST).overall.paired.p_text == made(FIRST).overall.paired.p_text


def test_the_newest_comes_first_whatever_its_dataset(kept: KeptComparisons) -> None:
    kept.keep(made(FIRST, "z"))
    kept.keep(made(SECOND, "a"))
    assert [one.comparison_id for one in kept.all()] == [SECOND, FIRST]


def test_it_goes_with_its_dataset(kept: KeptComparisons, tmp_path: Path) -> None:
    kept.keep(made(FIRST))
    kept.keep(made(SECOND, "data-2"))
    forget_copies(tmp_path, "data-1", [])
    assert [one.comparison_id for one in kept.all()] == [SECOND]
    with pytest.raises(NotFoundError, match="its dataset has been revoked"):
        kept.find(FIRST)


def test_one_that_is_damaged_hides_no_other(kept: KeptComparisons, tmp_path: Path) -> None:
    kept.keep(made(FIRST))
    kept.keep(made(SECOND))
    (file,) = tmp_path.glob(f"**/{SECOND}.json")
    file.write_text("{")
    assert [one.comparison_id for one in kept.all()] == [FIRST]
    with pytest.raises(StorageError, match="damaged"):
        kept.find(SECOND)


@pytest.mark.parametrize("name", ["../../access", "*", "", f"../reports/{FIRST}", f"{FIRST}\n"])
def test_an_id_leads_nowhere_else(kept: KeptComparisons, name: str) -> None:
    kept.keep(made(FIRST))
    with pytest.raises(NotFoundError):
        kept.find(name)


def test_only_this_user_may_read_it(kept: KeptComparisons, tmp_path: Path) -> None:
    kept.keep(made(FIRST))
    (file,) = tmp_path.glob(f"**/{FIRST}.json")
    assert file.stat().st_mode & 0o777 == 0o600
