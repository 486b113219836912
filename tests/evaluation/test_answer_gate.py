"""A tuned model passes only if its answers are good enough, surely better than its base's, and enough."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from toolhone.evaluation.answer_gate import AnswerDecision, AnswerVerdict, judge_answers, judge_scores
from toolhone.evaluation.scored import Scores
from toolhone.evaluation.scorers import Scorer, exact
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.datasets import Row

EXACT = Scorer("exact", exact)


def rows(count: int) -> list[Row]:
    return [
        Row(
            row_id=f"row-{number}",
            group=f"group-{number}",
            task_type="odd" if number % 2 else "even",
            messages=(
                {"role": "user", "content": f"what is {number}?"},
                {"role": "assistant", "content": "right"},
            ),
            score=1.0,
            recorded_at="2026-01-01T00:00:00.000000+00:00",
        )
        for number in range(count)
    ]


def answers(correct: Sequence[bool | None]) -> dict[str, JsonObject | None]:
    """Right, wrong or no answer, by row."""
    texts = {True: "right", False: "wrong"}
    return {
        f"row-{number}": None if one is None else {"role": "assistant", "content": texts[one]}
        for number, one in enumerate(correct)
    }


def judged(
    base: Sequence[bool | None], tuned: Sequence[bool | None], *, min_score: float = 0.8
) -> AnswerVerdict:
    held_out = rows(len(tuned))
    return judge_answers(held_out, answers(base), answers(tuned), scorer=EXACT, min_score=min_score)


def test_good_and_surely_better_answers_pass() -> None:
    verdict = judged([False] * 40, [True] * 36 + [False] * 4)

    assert verdict.decision is AnswerDecision.PASSED
    assert verdict.passed
    assert verdict.tuned_score is not None
    assert verdict.tuned_score.mean == 0.9
    assert verdict.tuned_score.low < 0.9 < verdict.tuned_score.high
    assert verdict.why.startswith("Good enough and better: the tuned model scores 0.90 (95 %: ")
    assert "36 won, 4 tied, 0 lost" in verdict.why
    assert verdict.wrong == ("row-36", "row-37", "row-38", "row-39")
    assert verdict.warnings == ()


def test_answers_below_the_score_asked_for_fail_however_much_better_they_are() -> None:
    verdict = judged([False] * 40, [True] * 30 + [False] * 10)

    assert verdict.decision is AnswerDecision.FAILED
    assert "the tuned model scores 0.75" in verdict.why
    assert "0.80 are asked for" in verdict.why


def test_answers_no_better_than_those_of_the_base_fail_however_good_they_are() -> None:
    verdict = judged([True] * 40, [True] * 40)

    assert verdict.decision is AnswerDecision.FAILED
    assert verdict.why.startswith("No better than its base")


def test_a_gain_that_chance_may_have_brought_is_inconclusive_and_says_how_many_rows_would_tell() -> None:
    verdict = judged([True] * 34 + [False] * 6, [True] * 33 + [False] + [True] * 4 + [False] * 2)

    assert verdict.decision is AnswerDecision.INCONCLUSIVE
    assert not verdict.passed
    # 4 won, 1 lost of 40: ((1.96 + 0.84) * sqrt(5 / 40 - 0.075 ** 2) / 0.075) ** 2
    assert "about 167 held-out rows would show it; there are 40" in verdict.why


def test_too_few_rows_are_inconclusive_however_clear_they_look() -> None:
    verdict = judged([False] * 19, [True] * 19)

    assert verdict.decision is AnswerDecision.INCONCLUSIVE
    assert verdict.why.startswith("19 held-out rows are too few to judge by; 20 are needed.")
    assert "collect about 200 snapshots" in verdict.why
    assert judged([False] * 20, [True] * 20).passed


def test_no_rows_at_all_are_inconclusive() -> None:
    verdict = judged([], [])

    assert verdict.decision is AnswerDecision.INCONCLUSIVE
    assert verdict.as_json()["tuned_score"] is None


def test_an_answer_that_was_not_given_is_wrong_for_the_tuned_model() -> None:
    verdict = judged([False] * 40, [True] * 38 + [None] * 2)

    assert verdict.passed
    assert verdict.tuned_score is not None
    assert verdict.tuned_score.mean == 0.95
    assert verdict.tuned_errors == 2
    assert verdict.warnings == ("The tuned model gave no answer in 2 turns; they count as wrong.",)


def test_a_base_model_that_could_not_be_asked_does_not_make_the_tuned_one_better() -> None:
    few = judged([True] * 37 + [None] * 3, [True] * 40)

    assert few.decision is AnswerDecision.FAILED
    assert (few.n, few.base_errors) == (37, 3)
    assert few.paired is not None
    assert few.paired.wins == 0

    many = judged([None] * 40, [True] * 40)

    assert many.decision is AnswerDecision.INCONCLUSIVE
    assert many.why.startswith("Only 0 of 40 held-out rows could be compared")


def test_a_judge_that_could_not_judge_much_leaves_it_open() -> None:
    held_out = rows(40)
    keys = [row.row_id for row in held_out]
    base = Scores(scorer="judge", by_key=dict.fromkeys(keys, 0.0))
    tuned = Scores(scorer="judge", by_key=dict.fromkeys(keys[:35], 1.0))
    verdict = judge_scores(held_out, base, tuned, min_score=0.8)

    assert verdict.decision is AnswerDecision.INCONCLUSIVE
    assert "Only 35 of 40 held-out rows could be compared" in verdict.why
    assert verdict.unjudged == 5

    enough = Scores(scorer="judge", by_key=dict.fromkeys(keys[:37], 1.0))

    assert judge_scores(held_out, base, enough, min_score=0.8).passed


def test_rows_that_are_nearly_the_same_count_once() -> None:
    held_out = [replace(row, group=f"group-{number % 5}") for number, row in enumerate(rows(40))]
    verdict = judge_answers(
        held_out, answers([False] * 40), answers([True] * 40), scorer=EXACT, min_score=0.8
    )

    assert verdict.decision is AnswerDecision.INCONCLUSIVE
    assert verdict.why.startswith("5 held-out rows are too few")


def test_a_row_of_several_turns_scores_their_mean() -> None:
    call: JsonObject = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }
    held_out = [
        replace(
            row,
            messages=(row.messages[0], call, {"role": "tool", "content": "it is"}, row.messages[1]),
        )
        for row in rows(20)
    ]
    base: dict[str, JsonObject | None] = {}
    tuned: dict[str, JsonObject | None] = {}
    for row in held_out:
        base |= {f"{row.row_id}#1": {"content": "I do not know"}, f"{row.row_id}#2": {"content": "no"}}
        tuned |= {f"{row.row_id}#1": call, f"{row.row_id}#2": {"content": "no"}}
    verdict = judge_answers(held_out, base, tuned, scorer=EXACT, min_score=0.5)

    assert verdict.passed
    assert verdict.tuned_score is not None
    assert verdict.tuned_score.mean == 0.5


def test_a_task_type_that_surely_lost_is_said() -> None:
    # Odd rows lose, even rows win more.
    base = [number % 2 == 1 and number < 20 for number in range(100)]
    tuned = [not (number % 2 == 1 and number < 20) for number in range(100)]
    verdict = judged(base, tuned)

    assert verdict.passed
    assert [one.task_type for one in verdict.by_task_type] == ["even", "odd"]
    assert verdict.warnings == ()

    worse = judged([number % 2 == 1 for number in range(100)], [number % 2 == 0 for number in range(100)])

    assert worse.decision is AnswerDecision.FAILED
    assert worse.warnings == ("On 'odd' it surely scores lower than its base: 0.00 against 1.00 (50 rows).",)


def test_the_verdict_as_json_has_all_it_rests_on() -> None:
    verdict = json.loads(json.dumps(judged([False] * 40, [True] * 40).as_json()))

    assert verdict["decision"] == "passed"
    assert verdict["tuned_score"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert verdict["base_score"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert verdict["difference"]["wins"] == 40
    assert verdict["difference"]["p_value"] < 1e-9
    assert (verdict["n"], verdict["scorer"], verdict["min_score"]) == (40, "exact", 0.8)
    assert verdict["by_task_type"]["odd"]["n"] == 20


def test_bad_input_is_refused() -> None:
    twice = [*rows(1), *rows(1)]
    with pytest.raises(InvalidRequestError, match="'row-0' is there twice"):
        judge_answers(twice, answers([True]), answers([True]), scorer=EXACT, min_score=0.8)
    with pytest.raises(InvalidRequestError, match=r"min_score is 1\.5"):
        judged([True], [True], min_score=1.5)
    with pytest.raises(InvalidRequestError, match="cannot be compared; score both alike"):
        judge_scores(rows(1), Scores(scorer="a", by_key={}), Scores(scorer="b", by_key={}), min_score=0.8)
