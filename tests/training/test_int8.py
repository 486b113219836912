"""What int8 storage keeps of a graph's weights."""

import importlib
from typing import Any

import numpy as np
import pytest

from toolhone.training.int8 import GROUP, stored_weights, with_int8_weights

helper: Any = importlib.import_module("onnx.helper")
numpy_helper: Any = importlib.import_module("onnx.numpy_helper")
runtime: Any = importlib.import_module("onnxruntime")

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(300, 128)).astype(np.float32)
MATRIX = RANDOM.normal(size=(128, 192)).astype(np.float32)
TURNED = RANDOM.normal(size=(160, 192)).astype(np.float32)


def graph(*, shared: bool = False) -> Any:
    """ids -> rows of a table -> two products; `shared` multiplies by the table as well."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
        helper.make_node("MatMul", ["rows", "matrix"], ["wide"]),
        helper.make_node("Gemm", ["wide", "turned"], ["out"], transB=1),
    ]
    if shared:
        nodes.append(helper.make_node("MatMul", ["matrix_rows", "table"], ["again"]))
    weights = {"table": TABLE, "matrix": MATRIX, "turned": TURNED}
    if shared:
        weights["matrix_rows"] = TABLE[:2, :1].repeat(300, axis=1)
    tensor = helper.make_tensor_value_info
    return helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [tensor("ids", 7, ["n"])],
            [tensor("out", 1, ["n", 160])],
            [numpy_helper.from_array(values, name) for name, values in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )


def output(model: Any) -> Any:
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["out"], {"ids": np.array([3, 299, 0], np.int64)})[0]


def test_the_graph_computes_nearly_the_same_from_a_quarter_of_the_bytes() -> None:
    before = graph()
    after = with_int8_weights(before)

    exact, stored = output(before), output(after)

    assert np.abs(exact - stored).max() < 0.02 * np.abs(exact).max()
    assert after.ByteSize() < 0.28 * before.ByteSize()
    assert before.graph.initializer[0].name == "table"  # the original is left alone


@pytest.mark.parametrize(("name", "weight", "axis"), [("matrix", MATRIX, 0), ("turned", TURNED, 1)])
def test_no_weight_is_off_by_more_than_half_a_step_of_its_group(name: str, weight: Any, axis: int) -> None:
    stored = stored_weights(with_int8_weights(graph()))[name]

    groups = np.abs(np.moveaxis(weight, axis, 0)).reshape(-1, GROUP, weight.shape[1 - axis])
    steps = np.moveaxis(np.repeat(groups.max(axis=1) / 127, GROUP, axis=0), 0, axis)
    assert stored.shape == weight.shape
    assert (np.abs(stored - weight) <= 0.51 * steps + 1e-6).all()


def test_a_table_that_is_used_otherwise_too_stays_as_it_is() -> None:
    after = with_int8_weights(graph(shared=True))

    np.testing.assert_array_equal(stored_weights(after)["table"], TABLE)
    assert "table.int8" not in {one.name for one in after.graph.initializer}


def test_training_moves_survive_the_next_export_though_they_are_smaller_than_a_step() -> None:
    first = with_int8_weights(graph())
    step = np.abs(MATRIX).max() / 127
    kept: list[float] = []
    for to_train in (False, True):
        before = stored_weights(first, to_train=to_train)["matrix"]
        again = graph()
        again.graph.initializer[1].CopyFrom(numpy_helper.from_array(before + 0.2 * step, "matrix"))
        after = stored_weights(with_int8_weights(again))["matrix"]
        kept.append(float((after - before).mean() / (0.2 * step)))

    lost, survived = kept
    assert lost < 0.5
    assert 0.9 < survived < 1.1


def test_a_weight_of_zeros_stays_zero() -> None:
    model = graph()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros_like(MATRIX), "matrix"))

    assert not stored_weights(with_int8_weights(model))["matrix"].any()
