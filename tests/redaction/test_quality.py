"""How much of a labelled set goes that must go, and stays that must stay."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest

FOLDER = Path(__file__).parents[1] / "redaction_cases"
SECRETS = [
    "api_key",
    "token",
    "jwt",
    "password",
    "private_key",
    "connection_string",
    "authorization",
    "cookie",
    "secret",
]
PERSONAL = ["email", "phone", "card", "iban", "national_id", "ip_address"]


class Row(TypedDict):
    labels: int
    precision: float
    recall: float


class Score(TypedDict):
    cases: int
    ordinary: int
    changed: int
    kinds: dict[str, Row]


@pytest.fixture(scope="module")
def measured() -> Score:
    run = subprocess.run(
        [sys.executable, str(FOLDER / "score.py"), "--json"], capture_output=True, check=True, text=True
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("kind", [*SECRETS, "secrets"])
def test_secrets_go_and_what_goes_are_secrets(measured: Score, kind: str) -> None:
    row = measured["kinds"][kind]

    assert row["recall"] >= 0.95
    assert row["precision"] >= 0.95


@pytest.mark.parametrize("kind", [*PERSONAL, "personal data"])
def test_people_go_and_what_goes_are_people(measured: Score, kind: str) -> None:
    row = measured["kinds"][kind]

    assert row["recall"] >= 0.95
    assert row["precision"] >= 0.95


def test_ordinary_code_and_prose_are_left_alone(measured: Score) -> None:
    assert measured["changed"] == 0


def test_the_set_is_large_enough_to_mean_something(measured: Score) -> None:
    assert measured["cases"] >= 600
    assert measured["ordinary"] >= measured["cases"] / 2
    assert all(measured["kinds"][kind]["labels"] >= 10 for kind in (*SECRETS, *PERSONAL))


def test_the_set_is_the_one_that_its_generator_writes(tmp_path: Path) -> None:
    written = tmp_path / "cases.jsonl"
    subprocess.run([sys.executable, str(FOLDER / "generate.py"), str(written)], check=True)

    assert written.read_bytes() == (FOLDER / "cases.jsonl").read_bytes()


def test_no_secret_stands_in_the_file_of_the_set_in_one_piece() -> None:
    text = (FOLDER / "cases.jsonl").read_text(encoding="utf-8")
    pieces = [secret for line in text.splitlines() for secret, *_ in json.loads(line)["gone"]]

    assert pieces
    assert all(secret.replace("\u00a6", "") not in text for secret in pieces if len(secret) > 16)
    assert "PRIVATE" + " KEY" not in text
