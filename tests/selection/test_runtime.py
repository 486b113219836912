"""How many cores a run of the model has, with the real weights."""

import shutil
import threading
from _collections_abc import dict_keys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolhone.selection.bundle import DEFAULT_FOLDER, WEIGHTS
from toolhone.selection.runtime import CROWDED_SECONDS, Model

STATES = ["states"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(clock: Clock) -> Model:
    return Model(DEFAULT_FOLDER / WEIGHTS, clock=clock)


def text() -> dict[str, NDArray[np.int64]]:
    ids = np.array([[101, 2054, 2003, 1996, 4633, 1999, 3000, 102]], np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


class Inputs(dict[str, NDArray[np.int64]]):
    """The inputs of a run, which does something when it looks at them."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__(text())
        self._do = do

    def keys(self) -> "dict_keys[str, NDArray[np.int64]]":
        self._do()
        return super().keys()


def test_a_text_alone_has_every_core(model: Model) -> None:
    seen: list[bool] = []
    model.run(STATES, Inputs(lambda: seen.append(model.is_crowded)))
    model.run(STATES, text())
    assert seen == [True]  # the next one would share
    assert not model.is_crowded


def test_texts_that_come_together_have_one_core_each_for_a_while(model: Model, clock: Clock) -> None:
    def another() -> None:
        thread = threading.Thread(target=model.run, args=(STATES, text()))
        thread.start()
        thread.join()

    model.run(STATES, Inputs(another))
    assert model.is_crowded
    clock.now = CROWDED_SECONDS + 0.001
    assert not model.is_crowded


def test_the_vectors_are_the_same_either_way(model: Model) -> None:
    alone = model.run(STATES, text())[0]
    together: list[NDArray[np.float32]] = []
    model.run(STATES, Inputs(lambda: together.append(model.run(STATES, text())[0])))
    assert np.allclose(alone, together[0], atol=1e-5)


def test_a_run_that_fails_leaves_no_crowd(model: Model) -> None:
    with pytest.raises(ValueError, match="input_ids"):
        model.run(STATES, {})
    assert not model.is_crowded


@pytest.mark.parametrize("gone", [True, False])
def test_weights_that_are_no_longer_in_place_are_shared_as_they_were_loaded(
    tmp_path: Path, gone: bool
) -> None:
    file = tmp_path / WEIGHTS
    shutil.copy(DEFAULT_FOLDER / WEIGHTS, file)
    model = Model(file)
    file.unlink()
    if not gone:
        file.write_bytes(b"another model")

    together: list[NDArray[np.float32]] = []
    alone = model.run(STATES, Inputs(lambda: together.append(model.run(STATES, text())[0])))[0]

    assert np.array_equal(alone, together[0])
