"""`toolhone models`: see what trainings made, compare, and choose what is used."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Category, EventKind, Json, JsonObject
from toolhone.records.datasets import Manifest, Row, Split
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.settings import Settings
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.models import SqliteModelStore
from toolhone.stores import AuditQuery
from toolhone.training.providers.provider import Answer, AnswersCost, Question

Run: TypeAlias = Callable[..., Json]

AT = "2026-01-31T12:00:00.000000+00:00"


def model(model_id: str, *, passed: bool, why: str) -> ModelRecord:
    verdict: JsonObject = {
        "decision": "passed" if passed else "failed",
        "why": why,
        "tuned_score": {"mean": 0.9, "low": 0.8, "high": 1.0} if passed else None,
        "by_task_type": {"scan": {"n": 30, "tuned": 0.9, "base": 0.4}},
        "warnings": ["On 'triage' it surely scores lower than its base: 0.10 against 0.90 (30 rows)."],
    }
    return ModelRecord(
        model_id=model_id,
        category=Category.CORE_SECURITY,
        provider=FinetuningProvider.LOCAL,
        base_model="/models/\x1b[31mtiny",
        created_at=AT,
        job_id="finetune_core_security_1",
        dataset_id="data-1",
        artifact_hash="sha256:0",
        passed=passed,
        verdict=verdict,
    )


class Models:
    """The tuned ones are right, the base model is wrong."""

    usd = 0.0
    """What a question costs at most."""

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        said = "wrong" if model == "tiny" else "right"
        return [
            Answer(
                row_id=one.row_id,
                message={"role": "assistant", "content": said},
                latency_ms=5.0,
                prompt_tokens=3,
                completion_tokens=1,
            )
            for one in questions
        ]

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        return AnswersCost(most_usd=dict.fromkeys((one.row_id for one in questions), self.usd))

    async def aclose(self) -> None:
        """Nothing is open."""


ROWS = [
    Row(
        row_id=f"row-{number}",
        group=f"row-{number}",
        task_type="scan" if number % 2 else "triage",
        messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": "right"}),
        score=1.0,
        recorded_at=AT,
    )
    for number in range(40)
]


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two models, of which one passed. What answers and what is asked is made up."""

    def rows(store: SqliteDatasetStore, dataset_id: str, split: Split) -> Iterator[Row]:
        assert (dataset_id, split) == ("data-1", Split.TEST)
        return iter(ROWS)

    def providers(settings: Settings, environ: Mapping[str, str]) -> dict[FinetuningProvider, Models]:
        return {FinetuningProvider.LOCAL: Models()}

    def manifest(store: SqliteDatasetStore, dataset_id: str) -> Manifest:
        return Manifest(
            dataset_id=dataset_id,
            category=Category.CORE_SECURITY,
            version=1,
            created_at=AT,
            content_hash="sha256:0",
            request={},
            counts={"test": len(ROWS)},
            files={},
            dropped={},
        )

    monkeypatch.setattr(SqliteDatasetStore, "rows", rows)
    monkeypatch.setattr(SqliteDatasetStore, "manifest", manifest)
    monkeypatch.setattr("toolhone.finetuning_parts.providers_of", providers)
    data = home / "data" / "toolhone"
    store = SqliteModelStore(data)
    store.add(model("security-good", passed=True, why="Good enough and better."))
    store.add(model("security-weak", passed=False, why="Not good enough."))
    store.close()
    return data


@pytest.mark.usefixtures("folder")
def test_models_are_listed_with_their_gates_and_aliases(run: Run) -> None:
    run("models", "alias", "core_security", "production", "security-good")
    shown = run("models", "list")

    assert shown.exit_code == 0
    weak, good = shown.stdout.splitlines()[1:]
    assert ("failed" in weak, "passed" in good, "production" in good) == (True, True, True)
    assert "\x1b" not in shown.stdout
    assert [one["model_id"] for one in run("models", "list", "--json").json] == [
        "security-weak",
        "security-good",
    ]
    assert run("models", "list", "--category", "ecommerce", "--json").json == []


def test_nothing_to_list_is_said(folder: Path, run: Run, tmp_path: Path) -> None:
    empty = run("models", "list", "--data", tmp_path / "empty")

    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "No training has made a model yet." in empty.stderr
    assert "uses its base model" in run("models", "aliases", "--data", tmp_path / "empty").stderr
    assert not (tmp_path / "empty").exists()


@pytest.mark.usefixtures("folder")
def test_a_model_is_shown_with_the_reasons_of_its_gate(run: Run) -> None:
    shown = run("models", "show", "security-weak")

    assert "Not good enough." in shown.stdout
    assert "scan" in shown.stdout
    assert "note: On 'triage' it surely scores lower" in shown.stderr
    assert "\x1b" not in shown.stdout
    assert run("models", "show", "security-good", "--json").json["dataset_id"] == "data-1"
    missing = run("models", "show", "none")
    assert (missing.exit_code, "no model 'none'" in missing.stderr) == (1, True)


def test_an_alias_is_set_listed_and_rolled_back(folder: Path, run: Run) -> None:
    refused = run("models", "alias", "core_security", "production", "security-weak")
    assert (refused.exit_code, "did not pass its gate. Not good enough." in refused.stderr) == (1, True)

    assert (
        "stands for security-good"
        in run("models", "alias", "core_security", "production", "security-good").stdout
    )
    forced = run(
        "models", "alias", "core_security", "production", "security-weak", "--override", "a trial of ours"
    )
    assert "The reason is recorded: a trial of ours" in forced.stderr
    (now,) = run("models", "aliases", "--json").json
    assert (now["model_id"], now["override"], now["by"]) == ("security-weak", True, "local")
    assert "a trial" in run("models", "aliases").stdout

    assert "stands for security-good" in run("models", "rollback", "core_security", "production").stdout
    assert run("models", "rollback", "core_security", "production", "--json").json["model_id"] is None
    assert run("models", "rollback", "core_security", "production").exit_code == 1

    audit = SqliteAuditStore(folder)
    rows = audit.query(AuditQuery(kinds=[EventKind.MODEL]))
    audit.close()
    assert len(rows) == 4


@pytest.mark.usefixtures("folder")
def test_two_models_are_compared_and_a_report_is_written(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    compared = run("models", "compare", "local:tiny", "security-good", "--report", page)

    assert compared.exit_code == 0, compared.stderr
    assert compared.stdout.startswith("security-good is better than local:tiny: 1.00 against 0.00 on 40 rows")
    assert "triage" in compared.stdout
    assert page.read_text().startswith("<!doctype html>")
    told = run("models", "compare", "local:tiny", "security-good", "--json").json
    assert told["difference"]["wins"] == 40


def test_a_comparison_that_costs_money_is_confirmed_and_kept_to_its_budget(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Models, "usd", 0.01)
    command = ("models", "compare", "local:tiny", "security-good", "--json")

    asked = run(*command)  # nobody is there to say yes
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert "This may cost up to $0.8000. Go on?" in asked.stderr

    done = run(*command, "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.json["paid_usd"] == 0, "nothing was charged in the end"
    run("jobs", "budget", "core_security", "0.5")
    refused = run(*command, "--yes")
    assert (refused.exit_code, "The comparison may cost up to $0.80" in refused.stderr) == (1, True)

    audit = SqliteAuditStore(folder)
    (compared,) = audit.query(AuditQuery(kinds=[EventKind.MODEL]))
    audit.close()
    assert compared["details"]["action"] == "compared"
    assert (compared["details"]["upper_bound_usd"], compared["details"]["cost_usd"]) == (
        pytest.approx(0.8),
        0,
    )


@pytest.mark.usefixtures("folder")
def test_answers_are_scored_by_the_functions_that_are_configured(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scorers_of_ours.py").write_text("def half(expected, given):\n    return 0.5\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("TOOLHONE_SCORERS", '{"ours": "scorers_of_ours:half", "gone": "scorers_of_ours:gone"}')

    told = run("models", "compare", "local:tiny", "security-good", "--scorer", "ours", "--json").json
    assert (told["scorer"], told["a"]["score"]["mean"]) == ("ours", 0.5)
    for scorer, message in (
        ("gone", "cannot be loaded"),
        ("judge", "No judge model is configured"),
        ("os:system", "no scorer 'os:system'"),
    ):
        refused = run("models", "compare", "local:tiny", "security-good", "--scorer", scorer)
        assert (refused.exit_code, message in refused.stderr) == (1, True)


@pytest.mark.usefixtures("folder")
def test_a_report_that_cannot_be_written_is_refused_before_anybody_is_asked(run: Run, tmp_path: Path) -> None:
    refused = run(
        "models", "compare", "local:tiny", "security-good", "--report", tmp_path / "no" / "report.html"
    )

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no folder" in refused.stderr


@pytest.mark.usefixtures("folder")
def test_a_category_that_does_not_exist_is_a_wrong_use(run: Run) -> None:
    assert run("models", "alias", "security", "production", "security-good").exit_code == 2
