"""What services say is understood in all its spellings, and nonsense does no harm."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import JsonObject
from toolhone.training.providers.openai_results import (
    event_of,
    failure,
    figures,
    last_figures,
    phase_of,
    result_rows,
)
from toolhone.training.providers.provider import Phase

OPENAI = (
    b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.0,0.5,,\n2,1.5,0.6,1.7,0.55\n"
)
AZURE = (
    b"step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,"
    b"full_valid_mean_token_accuracy\n1,2.0,0.5,1.9,0.45,,\n2,1.5,0.6,,,1.7,0.55\n"
)


@pytest.mark.parametrize(
    "content",
    [OPENAI, b"\xef\xbb\xbf" + OPENAI, base64.b64encode(OPENAI), base64.encodebytes(OPENAI)],
    ids=["plain", "with a BOM", "base64", "base64 in lines"],
)
def test_a_result_file_is_read_however_it_comes(content: bytes) -> None:
    assert result_rows(content) == [
        {"step": 1, "training_loss": 2.0, "token_accuracy": 0.5},
        {
            "step": 2,
            "training_loss": 1.5,
            "token_accuracy": 0.6,
            "validation_loss": 1.7,
            "validation_token_accuracy": 0.55,
        },
    ]


def test_azures_columns_are_known_and_the_last_figure_of_each_counts() -> None:
    assert last_figures(result_rows(AZURE)) == {
        "step": 2,
        "training_loss": 1.5,
        "token_accuracy": 0.6,
        "validation_loss": 1.9,
        "validation_token_accuracy": 0.45,
        "full_validation_loss": 1.7,
        "full_validation_token_accuracy": 0.55,
    }


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"error": 1}', b"a,b\n1,2\n", b"step,train_loss\n"])
def test_what_is_no_result_file_has_no_rows(content: bytes) -> None:
    assert result_rows(content) == []


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_content_breaks_the_reader(content: bytes) -> None:
    for row in result_rows(b"step,train_loss\n" + content):
        assert all(isinstance(value, float) for value in row.values())
    result_rows(content)


def test_figures_that_are_none_are_left_out() -> None:
    data: JsonObject = {
        "step": "3",
        "train_loss": float("nan"),
        "valid_loss": None,
        "total_steps": True,
        "grad_norm": 1.0,
        "train_mean_token_accuracy": "",
    }
    assert figures(data) == {"step": 3.0}


@pytest.mark.parametrize(
    ("word", "phase"),
    [(phase.value, phase) for phase in Phase]
    + [
        ("Canceled", Phase.CANCELLED),
        ("notRunning", Phase.QUEUED),
        ("pending", Phase.QUEUED),
        ("", Phase.UNKNOWN),
    ],
)
def test_every_word_has_a_phase(word: str, phase: Phase) -> None:
    assert phase_of(word) is phase


def test_an_event_without_data_or_time_is_still_one() -> None:
    event = event_of({"id": "e1", "created_at": None, "message": None, "data": "text"}, 3)
    assert (event.event_id, event.message, event.metrics) == ("e1", "", {})
    assert event.at.startswith("1970-01-01T00:00:00")


def test_an_empty_error_is_none() -> None:
    assert failure({"error": {"code": None, "message": None}}) is None
    assert failure({"error": None}) is None
    assert failure({"error": {"code": "x", "message": "no", "param": None}}) == "no (x)"
