"""What is no snapshot is refused with the field, its value, and what to do."""

import math
from collections.abc import Callable

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, Json, JsonObject
from toolhone.records.snapshots import NewSnapshot
from toolhone.redaction import redact_record as redact
from toolhone.snapshots.validation import DEEPEST, LARGEST_SNAPSHOT, check_content, new_snapshot

Make = Callable[..., JsonObject]


def nested(levels: int) -> Json:
    value: Json = "bottom"
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    return value


def refusal(value: Json) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        new_snapshot(value)
    return caught.value.message


def test_the_fields_of_the_seed_are_enough(handed_in: Make) -> None:
    snapshot = new_snapshot(handed_in(user_feedback=0.5, tokens_used=3, metadata={"model": "m"}))

    assert (snapshot.category, snapshot.performance_score) == (Category.CORE_SECURITY, 0.9)
    assert snapshot.execution_time_ms == 120


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("CORE_SECURITY", "core_security"),
        ("e-commerce", "ecommerce"),
        ("core security", "core_security"),
        ("costumer_service", "customer_service"),
        ("wordpress", "wordpress_cms"),
    ],
)
def test_a_misspelt_category_is_answered_with_the_one_that_was_meant(
    handed_in: Make, given: str, meant: str
) -> None:
    message = refusal(handed_in(category=given))

    assert f"'category' is {given!r}, there are core_security, ai_intelligence, " in message
    assert f"did you mean {meant!r}?" in message


@pytest.mark.parametrize("given", ["zzz", 7, None, ["core_security"]])
def test_any_other_category_is_answered_with_those_that_there_are(handed_in: Make, given: Json) -> None:
    message = refusal(handed_in(category=given))

    assert all(category.value in message for category in Category)
    assert "did you mean" not in message


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("performance_score", 1.5, "'performance_score' is 1.5: input should be less than or equal to 1"),
        ("performance_score", math.nan, "'performance_score' is nan: "),
        ("user_feedback", -1, "'user_feedback' is -1: input should be greater than or equal to 0"),
        ("tokens_used", -1, "'tokens_used' is -1: "),
        ("tokens_used", 2**63, "'tokens_used' is 9223372036854775808; the most"),
        ("execution_time_ms", -0.1, "'execution_time_ms' is -0.1: "),
        ("execution_time_ms", math.inf, "'execution_time_ms' is inf: "),
        ("agent_id", "", "'agent_id' is '': "),
        ("agent_id", "half \ud83d", "'agent_id' is "),
        ("agent_name", "x" * 201, "'agent_name' is 'xxxx"),
        ("metadata", [], "'metadata' is []: "),
        ("success", "perhaps", "'success' is 'perhaps': "),
    ],
)
def test_a_bad_value_is_named_with_its_field(handed_in: Make, field: str, value: Json, says: str) -> None:
    message = refusal(handed_in(**{field: value}))

    assert says in message
    assert len(message) < 400


def test_all_that_is_wrong_is_said_at_once(handed_in: Make) -> None:
    value = handed_in(performance_score=2, inputdata={}, colour="red", timestamp="2026-01-01")
    del value["agent_id"]

    message = refusal(value)

    assert "'agent_id' is missing" in message
    assert "'performance_score' is 2: " in message
    assert "there is no field 'inputdata'; did you mean 'input_data'?" in message
    assert "there is no field 'colour'; put what has none into 'metadata'" in message
    assert "there is no field 'timestamp': toolhone sets time and id itself" in message


@pytest.mark.parametrize("value", [None, [], "snapshot", 3])
def test_what_is_no_object_is_told_what_a_snapshot_is(value: Json) -> None:
    assert "agent_id, agent_name, category, task_type" in refusal(value)


@pytest.mark.parametrize("field", ["input_data", "output_data", "metadata"])
@pytest.mark.parametrize("bad", [math.nan, -math.inf, b"bytes", {1, 2}, object()])
def test_what_json_has_no_word_for_is_refused(handed_in: Make, field: str, bad: Json) -> None:
    assert f"{field!r} is not JSON" in refusal(handed_in(**{field: {"a": [bad]}}))


def test_what_refers_to_itself_is_refused(handed_in: Make) -> None:
    loop: list[Json] = []
    loop += [loop, loop]

    assert "'input_data' is not JSON" in refusal(handed_in(input_data=loop))


@pytest.mark.parametrize("levels", [DEEPEST + 1, 200, 100_000])
def test_what_is_nested_too_deeply_is_refused(handed_in: Make, levels: int) -> None:
    assert f"'output_data' is nested more than {DEEPEST} levels" in refusal(
        handed_in(output_data=nested(levels))
    )


def test_what_is_just_deep_enough_loses_nothing_when_it_is_redacted(handed_in: Make) -> None:
    deep = nested(DEEPEST)
    new_snapshot(handed_in(input_data=deep))

    assert redact({"input_data": deep}) == {"input_data": deep}


def test_a_snapshot_has_a_largest_size_over_all_its_fields(handed_in: Make) -> None:
    half = "x" * (LARGEST_SNAPSHOT // 2 - 100)
    new_snapshot(handed_in(input_data=half, output_data=half))

    message = refusal(handed_in(input_data=half, output_data=half, metadata={"rest": "ä" * 100}))
    assert f"'metadata' it takes {len(half) * 2 + 222} bytes" in message
    assert "too large" in refusal(handed_in(tools_offered=["x" * LARGEST_SNAPSHOT]))


def test_a_snapshot_that_a_program_built_is_checked_too(handed_in: Make) -> None:
    built = NewSnapshot.model_validate(handed_in(input_data=math.nan))

    with pytest.raises(InvalidRequestError, match="'input_data' is not JSON"):
        check_content(built)
