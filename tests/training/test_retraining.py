"""A new encoder takes the place of the one in use only if it finds more, also for tools without use."""

import hashlib
import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.evaluation.gate import Decision
from toolhone.selection.bundle import load_bundle
from toolhone.selection.calibration import by_words
from toolhone.selection.scoring import Weights
from toolhone.training.comparison import Certainty, compare
from toolhone.training.recorded import Recorded, divided
from toolhone.training.retraining import Retrained, retrain

if TYPE_CHECKING:
    from training.conftest import World

importlib.import_module("torch")

WEIGHTS = Weights()


@pytest.fixture(scope="module")
def recorded(world: "World") -> Recorded:
    return divided(world.log, world.tools)


@pytest.fixture(scope="module")
def retrained(
    world: "World", recorded: Recorded, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Retrained:
    said: list[tuple[str, int, int]] = []
    made = retrain(
        recorded,
        tmp_path_factory.mktemp("encoders") / "better",
        name="better",
        current=tiny_bundle,
        recipe=world.recipe,
        weights=WEIGHTS,
        progress=lambda what, done, of: said.append((what, done, of)),
    )
    assert all(0 <= done <= of for _, done, of in said)
    return made


def test_an_encoder_that_learned_the_words_is_promoted(retrained: Retrained) -> None:
    verdict = retrained.verdict

    assert verdict.decision is Decision.PROMOTED, verdict.why
    assert verdict.ndcg is not None
    assert verdict.ndcg.low > 0
    assert verdict.cold_ndcg is not None
    assert verdict.cold_ndcg.low > 0  # words are learned, so tools without use gain too
    assert retrained.losses[1] < retrained.losses[0]


def test_what_was_judged_is_what_is_pinned(
    retrained: Retrained, recorded: Recorded, tiny_bundle: Path
) -> None:
    load_bundle(retrained.exported.folder, sha256=retrained.sha256)
    manifest = json.loads((retrained.exported.folder / "encoder.json").read_text())

    assert manifest["parent"] == hashlib.sha256((tiny_bundle / "encoder.json").read_bytes()).hexdigest()
    assert manifest["verdict"]["decision"] == "promoted"
    assert manifest["training"]["data_hash"] == recorded.data_hash
    assert manifest["training"]["until"] == recorded.until
    assert manifest["training"]["kept_tools"] == list(recorded.kept)


def test_the_gate_refuses_an_encoder_that_finds_less(
    recorded: Recorded, retrained: Retrained, tiny_bundle: Path
) -> None:
    trained, untrained = load_bundle(retrained.exported.folder), load_bundle(tiny_bundle)

    worse = compare(untrained, trained, recorded, WEIGHTS)
    same = compare(trained, trained, recorded, WEIGHTS)

    assert worse.verdict.decision is Decision.REJECTED
    assert same.verdict.decision is not Decision.PROMOTED


def test_a_calibration_is_kept_only_while_it_holds() -> None:
    now = Certainty(wrongly_nothing=0.05, rightly_nothing=0.6)

    assert replace(now, wrongly_nothing=0.09).holds_as(now)
    assert not replace(now, wrongly_nothing=0.2).holds_as(now)
    assert not replace(now, rightly_nothing=0.4).holds_as(now)


def test_the_certainty_of_both_is_measured_with_the_calibration_in_use(
    recorded: Recorded, tiny_bundle: Path, tmp_path: Path
) -> None:
    for path in tiny_bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "encoder.json").read_text())
    manifest["calibration"] = by_words().model_dump()
    (tmp_path / "encoder.json").write_text(json.dumps(manifest))
    calibrated = load_bundle(tmp_path)
    few = replace(recorded, later=recorded.later[:10], unseen=recorded.unseen[:5])

    comparison = compare(load_bundle(tiny_bundle), calibrated, few, WEIGHTS)

    assert comparison.certainty == comparison.current_certainty
    assert comparison.calibration_holds
