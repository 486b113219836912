"""Scorers compare an answer with the recorded one: 1 for the same, 0 for another, or between."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.scorers import (
    BUILT_IN,
    Scorer,
    Scorers,
    default_scorer,
    exact,
    field_f1,
    json_equality,
    load_scorer,
    numeric_tolerance,
    tool_call_match,
)
from toolhone.exceptions import ConfigurationError, InvalidRequestError
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row


def said(content: str | None) -> JsonObject:
    return {"role": "assistant", "content": content}


def called(*calls: tuple[str, Json]) -> JsonObject:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for number, (name, arguments) in enumerate(calls)
        ],
    }


def row(answer: JsonObject) -> Row:
    return Row(
        row_id="row",
        group="group",
        task_type="any",
        messages=({"role": "user", "content": "do"}, answer),
        score=1.0,
        recorded_at="2026-01-01T00:00:00.000000+00:00",
    )


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
texts = (st.text() | values.map(json.dumps)).map(said)
calls = st.lists(st.tuples(st.sampled_from("abc"), values | st.text()), min_size=1, max_size=4).map(
    lambda made: called(*made)
)
objects = st.dictionaries(st.text(max_size=2), scalars, min_size=1, max_size=4).map(
    lambda value: said(json.dumps(value))
)
answers = texts | calls


@pytest.mark.parametrize("name", BUILT_IN)
@settings(deadline=None, max_examples=60)
@given(answer=answers)
def test_the_recorded_answer_scores_one(name: str, answer: JsonObject) -> None:
    assert Scorers().named(name).score(answer, json.loads(json.dumps(answer))) == 1


@pytest.mark.parametrize("name", BUILT_IN)
@settings(deadline=None, max_examples=60)
@given(expected=answers, other=answers)
def test_every_score_is_from_zero_to_one(name: str, expected: JsonObject, other: JsonObject) -> None:
    assert 0 <= Scorers().named(name).score(expected, other) <= 1


@settings(deadline=None, max_examples=60)
@given(pair=st.tuples(calls, calls) | st.tuples(objects, objects))
def test_symmetric_scorers_say_the_same_of_answers_that_change_places(
    pair: tuple[JsonObject, JsonObject],
) -> None:
    for scorer in (exact, tool_call_match, field_f1):
        assert scorer(*pair) == scorer(*reversed(pair))


def test_exact_overlooks_white_space_and_nothing_else() -> None:
    assert exact(said("all  is\nwell "), said("all is well")) == 1
    assert exact(said("all is well"), said("all is well.")) == 0
    assert exact(said("yes"), {**called(("scan", {})), "content": "yes"}) == 0


def test_text_in_parts_is_text() -> None:
    parts: JsonObject = {"role": "assistant", "content": [{"type": "text", "text": "all "}, {"text": "well"}]}

    assert exact(said("all well"), parts) == 1


@pytest.mark.parametrize(
    ("right", "answer", "score"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1.0}', 1),
        ("[1, 2]", "[2, 1]", 0),
        ('{"a": true}', '{"a": 1}', 0),
        ('{"a": 0}', '{"a": false}', 0),
        ('{"a": null}', "{}", 0),
        ('{"a": 1}', '```json\n{"a": 1}\n```', 0),
        ('{"a": 1}', '{"a": 1', 0),
        ("plain words", "plain  words", 1),
    ],
)
def test_json_is_compared_by_value(right: str, answer: str, score: float) -> None:
    assert json_equality(said(right), said(answer)) == score


def test_a_call_is_right_if_its_name_and_all_its_arguments_are() -> None:
    one, two = ("scan", {"path": "a.py", "depth": 1}), ("read", {"path": "b.py"})

    assert tool_call_match(called(one, two), called(two, one)) == 1
    assert tool_call_match(called(one), called(("scan", '{"depth":1,"path":"a.py"}'))) == 1
    assert tool_call_match(called(one, two), called(one)) == 1 / 2
    assert tool_call_match(called(one), called(one, two, two)) == 1 / 3
    assert tool_call_match(called(one), called(("scan", {"path": "a.py"}))) == 0
    assert tool_call_match(called(one), called(one, one)) == 1 / 2
    assert tool_call_match(called(("list", "")), called(("list", {}))) == 1


def test_a_call_where_none_should_be_is_wrong_as_is_the_reverse() -> None:
    assert tool_call_match(said("It is done."), called(("scan", {}))) == 0
    assert tool_call_match(called(("scan", {})), said("I would scan it.")) == 0
    assert tool_call_match(said("It is done."), said("It is  done.")) == 1
    assert tool_call_match(said('{"a": 1}'), said('{ "a": 1.0 }')) == 1


def test_an_entry_that_is_no_call_is_not_right() -> None:
    broken: JsonObject = {"role": "assistant", "content": None, "tool_calls": [None, {"function": "scan"}]}

    assert tool_call_match(called(("scan", {})), broken) == 0


def test_field_f1_counts_fields_that_agree() -> None:
    right = said('{"name": "Ann", "age": 7, "tags": ["a", "b"]}')

    assert field_f1(right, said('{"name": "Ann", "age": 8, "tags": ["a", "b"]}')) == 6 / 8
    assert field_f1(right, said('{"name": "Ann"}')) == 2 / 5
    assert field_f1(right, said("Ann, 7")) == 0
    assert field_f1(called(("scan", {"path": "a", "depth": 1})), called(("scan", {"path": "a"}))) == 4 / 5
    # Written as JSON in place of being made, it is no call.
    assert field_f1(called(("scan", {"path": "a"})), said('{"scan": {"path": "a"}}')) == 0


@pytest.mark.parametrize(
    ("right", "answer", "score"),
    [
        ("100", "100.9", 1),
        ("100", "102", 0),
        ('{"sum": 100, "unit": "m"}', '{"unit": "m", "sum": 99.5}', 1),
        ('{"sum": 100, "unit": "m"}', '{"unit": "km", "sum": 100}', 0),
        ("about 3.14 m", "about  3.15 m", 1),
        ("about 3.14 m", "about 3.14 km", 0),
        ("about 3.14 m", "3.14", 0),
        ("true", "1", 0),
        ("1" + "0" * 400, "1" + "0" * 399 + "1", 0),
    ],
)
def test_numbers_may_differ_by_one_percent(right: str, answer: str, score: float) -> None:
    assert numeric_tolerance(said(right), said(answer)) == score


def test_another_tolerance_can_be_named() -> None:
    assert Scorers().named("numeric_tolerance:0.05").score(said("100"), said("104")) == 1
    for name in (
        "numeric_tolerance:",
        "numeric_tolerance:much",
        "numeric_tolerance:0.051",
        "numeric_tolerance:0.999",
        "numeric_tolerance:-0.01",
        "numeric_tolerance:nan",
    ):
        with pytest.raises(InvalidRequestError, match=r"from 0 to 0\.05, such as numeric_tolerance:0\.02"):
            Scorers().named(name)


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_answer_that_nests_without_end_is_only_wrong(name: str) -> None:
    scorer = Scorers().named(name)
    deep = "[" * 900 + "]" * 900

    assert scorer.score(said('{"a": 1}'), said(deep)) == 0
    assert scorer.score(called(("scan", {"a": 1})), called(("scan", deep))) < 1


def test_an_unknown_scorer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequestError, match=r"'os:system'.*exact, json_equality, .*, ours;"):
        Scorers({"ours": exact}).named("os:system")


@pytest.mark.parametrize("name", ["exact", "judge", "Ours", "a:b", ""])
def test_a_function_cannot_be_given_a_name_that_is_taken_or_odd(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be called"):
        Scorers({name: exact})


def test_a_function_of_the_user_is_loaded_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scoring_of_ours.py").write_text("def half(expected, given):\n    return 0.5\nnumber = 3\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    own = {"ours": "scoring_of_ours:half", "missing": "scoring_of_ours:none"}

    assert Scorers(own).named("ours").score(said("a"), said("b")) == 0.5
    with pytest.raises(ConfigurationError, match="'missing'"):
        Scorers(own).named("missing")
    for target in ("scoring_of_ours:none", "not_there:half", "scoring_of_ours", ":half", ""):
        with pytest.raises(ConfigurationError, match=r"'ours'.*module:function"):
            load_scorer("ours", target)
    with pytest.raises(ConfigurationError, match="no function"):
        load_scorer("ours", "scoring_of_ours:number")
    sys.modules.pop("scoring_of_ours")


def test_a_function_that_fails_or_gives_no_score_ends_the_evaluation_with_its_name() -> None:
    def failing(expected: JsonObject, given: JsonObject) -> float:
        raise KeyError("field")

    with pytest.raises(InvalidRequestError, match=r"'ours' failed: KeyError: 'field'"):
        Scorer("ours", failing).score(said("a"), said("b"))
    for value in (1.5, -0.1, float("nan"), None, "1"):
        with pytest.raises(InvalidRequestError, match="a score is a number from 0 to 1"):
            Scorer("ours", lambda expected, given, value=value: value).score(said("a"), said("b"))  # pyright: ignore[reportArgumentType, reportUnknownArgumentType, reportUnknownLambdaType]


@pytest.mark.parametrize(
    ("recorded", "name", "reason"),
    [
        ([called(("scan", {})), said("done")], "tool_call_match", "1 of 2 recorded answers call tools"),
        ([said('{"a": 1}'), said("done")], "json_equality", "1 of 2 recorded answers are JSON"),
        ([said("yes"), said("no")], "exact", "word for word"),
        ([said("word " * 40)], "exact", "At 40 words in the middle hardly any answer will match"),
    ],
)
def test_the_default_scorer_suits_the_recorded_answers(
    recorded: list[JsonObject], name: str, reason: str
) -> None:
    scorer, why = default_scorer([row(answer) for answer in recorded])

    assert scorer.name == name
    assert reason in why
