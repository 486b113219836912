"""Prices are dated, may be replaced, and bound what a training can cost."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import ConfigurationError, ProviderRefusedError
from toolhone.training.costs import (
    Price,
    Workload,
    base_of,
    expected_usd,
    is_tuned,
    load_prices,
    unknown_price,
    upper_bound_usd,
)

TODAY = date(2026, 11, 22)


def price(**changes: float) -> Price:
    known = {"training": 5.0, "training_at_most": 5.0, "input": 0.8, "output": 3.2, "base_input": 0.4}
    known |= {"base_output": 1.6, "hosting_per_hour": 0.0, "hosting_hours": 24.0}
    return Price(model="m", as_of=TODAY, source="test", **(known | changes))


tokens = st.integers(min_value=0, max_value=10**9)
usd = st.floats(min_value=0, max_value=1_000, allow_nan=False)


@settings(deadline=None)
@given(tokens, tokens, st.integers(1, 50), tokens, tokens, usd, usd)
def test_the_bound_is_never_under_what_is_expected(
    training: int, validation: int, epochs: int, prompts: int, answers: int, training_usd: float, more: float
) -> None:
    work = Workload(
        training=training, validation=validation, epochs=epochs, test_prompts=prompts, test_answers=answers
    )
    paid = price(training=training_usd, training_at_most=training_usd + more)
    asked = paid.answer_usd(prompts, answers, tuned=True) + paid.answer_usd(prompts, answers, tuned=False)
    bound = upper_bound_usd(work, paid, margin=1.1)
    assert bound >= expected_usd(work, paid) + asked - 1e-9


def test_hosting_comes_on_top() -> None:
    work = Workload(training=0, validation=0, epochs=1, test_prompts=0, test_answers=0)
    assert upper_bound_usd(work, price(hosting_per_hour=2.0, hosting_hours=3.0), margin=1.5) == 6.0


def test_a_snapshot_and_a_tuned_model_have_the_price_of_their_base() -> None:
    book = load_prices()
    prices = [
        book.price("openai", name)
        for name in ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "ft:gpt-4.1-mini-2025-04-14:org:x:1")
    ]
    assert [(one.training, one.input, one.output) for one in prices if one] == [(5.0, 0.8, 3.2)] * 3
    assert book.price("openai", "gpt-4.1-micro") is None
    assert book.price("somewhere.example", "gpt-4.1-mini") is None, "other services have other prices"
    assert book.price("azure", "gpt-4.1-mini") is None, "none was found"


def test_every_shipped_price_says_when_and_whence() -> None:
    book = load_prices()
    for model in book.models("openai"):
        known = book.price("openai", model)
        assert known and known.as_of <= TODAY and known.source != "no source given"
        assert known.base_input <= known.input and known.base_output <= known.output


def test_a_price_on_which_sources_disagree_is_bounded_by_the_highest() -> None:
    mini = load_prices().price("openai", "gpt-4o-mini")
    assert mini and mini.training == 3 and mini.training_at_most == 25
    assert any("Sources disagree" in warning for warning in mini.warnings(TODAY))


def test_an_old_price_is_said_to_be_old() -> None:
    old = load_prices().price("openai", "gpt-4.1")
    assert old and any("days old" in warning for warning in old.warnings(TODAY))
    assert price().warnings(TODAY) == []


def test_a_file_replaces_single_fields_and_adds_services(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        '[openai.models."gpt-4.1"]\ntraining_usd_per_million = 30\nas_of = 2026-11-20\n'
        '["api.example.com".models."*"]\ntraining_usd_per_million = 0.5\ninput_usd_per_million = 0.1\n'
        'output_usd_per_million = 0.2\nas_of = 2026-11-20\nsource = "contract"\n'
    )
    book = load_prices(path)
    changed = book.price("openai", "gpt-4.1")
    assert changed and (changed.training, changed.input, changed.as_of) == (30.0, 3.0, date(2026, 11, 20))
    anything = book.price("api.example.com", "whatever")
    assert anything and anything.training == 0.5
    assert not book.names("api.example.com", "whatever")


def test_what_is_said_of_an_unknown_price_makes_a_file_that_works(tmp_path: Path) -> None:
    said = str(unknown_price("api.example.com", "llama-4"))
    section = re.search(r"\[(.+?\")\]", said)
    assert section and "TOOLHONE_PRICES" in said
    path = tmp_path / "prices.toml"
    path.write_text(
        f"[{section[1]}]\ntraining_usd_per_million = 1\ninput_usd_per_million = 1\n"
        'output_usd_per_million = 1\nas_of = 2026-11-20\nsource = "contract"\n'
    )
    assert load_prices(path).price("api.example.com", "llama-4")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[openai", "Cannot read"),
        ("[openai]\nprice = 3\n", r"openai\.price"),
        (
            '[openai.models."x"]\ntraining_usd_per_million = -1\n',
            r"openai\.models\.x\.training_usd_per_million",
        ),
        ('[openai.models."x"]\ninput_usd_per_million = inf\n', "input_usd_per_million"),
    ],
)
def test_a_price_file_that_is_wrong_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_prices(path)


def test_a_price_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Cannot read"):
        load_prices(tmp_path / "none.toml")


# Last days


def test_openais_own_last_days_are_warned_of_in_november_and_refused_in_january() -> None:
    book = load_prices()
    warnings = book.deadlines("openai", "gpt-4o-mini-2024-07-18", TODAY)
    assert len(warnings) == 2
    assert "2027-01-06" in warnings[0] and "45 days" in warnings[0]
    assert "2027-01-14" in warnings[1]
    with pytest.raises(ProviderRefusedError, match="accepts no new fine-tuning"):
        book.deadlines("openai", "gpt-4o-mini", date(2027, 1, 6))


def test_what_is_gone_is_refused_today() -> None:
    with pytest.raises(ProviderRefusedError, match="2026-10-23"):
        load_prices().deadlines("openai", "gpt-4.1-nano", TODAY)


def test_a_day_far_away_is_not_spoken_of() -> None:
    assert load_prices().deadlines("azure", "gpt-4.1", TODAY) == ()
    assert load_prices().deadlines("somewhere.example", "gpt-4.1", date(2030, 1, 1)) == ()


def test_a_day_that_the_service_tells_counts_too() -> None:
    with pytest.raises(ProviderRefusedError, match="says the service itself"):
        load_prices().deadlines("somewhere.example", "m", TODAY, told=TODAY)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("gpt-4.1", "gpt-4.1"),
        ("ft:gpt-4.1-2025-04-14:org:suffix:id", "gpt-4.1-2025-04-14"),
        ("gpt-4.1-2025-04-14.ft-0123-suffix", "gpt-4.1-2025-04-14"),
    ],
)
def test_the_base_is_in_the_name_of_a_tuned_model(name: str, base: str) -> None:
    assert base_of(name) == base
    assert is_tuned(name) is (name != base)
