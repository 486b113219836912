"""Stores the large weights of an ONNX graph as int8, with a scale for each group of weights or table row.

Only storage changes. The runtime turns matrices back into float32 once, when it loads the graph, because the
int8 kernels of CPUs without VNNI are slower and saturate. The rows of an embedding table are turned back as
they are looked up, so that the table, half of a small encoder, stays int8 in memory.
"""

import importlib
from typing import Any

LARGE = 16_384
"""Elements from which on a weight is stored as int8. Biases and norms are smaller, and matter more."""

GROUP = 64
"""Weights of a matrix that share a scale: a third of the error of one scale a channel, for 3 % more bytes."""


def with_int8_weights(model: Any) -> Any:
    """A copy of an `onnx.ModelProto` whose matrices and embedding tables are int8.

    The scales are applied by Cast and Mul, which every runtime folds, not by DequantizeLinear: onnxruntime
    replaces that by its int8 kernels.
    """
    onnx = importlib.import_module("onnx")
    small = onnx.ModelProto()
    small.CopyFrom(model)
    graph = small.graph
    weights = {
        one.name: one
        for one in graph.initializer
        if one.data_type == onnx.TensorProto.FLOAT
        and len(one.dims) == 2
        and one.dims[0] * one.dims[1] >= LARGE
    }
    matrices, tables = _roles(graph, weights)
    stored: list[Any] = []
    nodes: list[Any] = []
    for name, summed in matrices.items():
        tensors, restoring = _matrix(onnx, weights[name], summed)
        stored += tensors
        nodes += restoring
    for name in sorted(tables):
        stored += _table(onnx, weights[name])
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            nodes += _restored_rows(onnx, node)
        else:
            nodes.append(node)
    kept = [one for one in graph.initializer if one.name not in matrices and one.name not in tables]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *stored])
    return small


def _roles(graph: Any, weights: dict[str, Any]) -> tuple[dict[str, int], set[str]]:
    """Which weights are matrices (name to the axis that a product sums over), and which are tables."""
    matrices: dict[str, int] = {}
    tables: set[str] = set()
    other: set[str] = set()
    for node in graph.node:
        numbers = {one.name: one.i for one in node.attribute}
        for place, name in enumerate(node.input):
            if name not in weights:
                continue
            if node.op_type == "MatMul" and place == 1:
                matrices[name] = 0
            elif node.op_type == "Gemm" and place == 1:
                matrices[name] = numbers.get("transB", 0)
            elif node.op_type == "Gather" and place == 0 and numbers.get("axis", 0) == 0:
                tables.add(name)
            else:
                other.add(name)
    # What is used in two ways (a table that is also the output layer) stays as it is.
    other |= matrices.keys() & tables
    return {name: axis for name, axis in sorted(matrices.items()) if name not in other}, tables - other


def _matrix(onnx: Any, weight: Any, summed: int) -> tuple[list[Any], list[Any]]:
    """The stored tensors of a matrix, and the nodes that make it float32 again under its own name."""
    import numpy as np

    values = onnx.numpy_helper.to_array(weight)
    rows, columns = values.shape
    length = values.shape[summed]
    group = GROUP if length % GROUP == 0 else length
    shape = (length // group, group, columns) if summed == 0 else (rows, length // group, group)
    grouped = values.reshape(shape)
    name = weight.name
    tensors = _quantized(onnx, name, grouped, axis=1 if summed == 0 else 2)
    tensors.append(onnx.numpy_helper.from_array(np.array([rows, columns], np.int64), f"{name}.shape"))
    make, to = onnx.helper.make_node, onnx.TensorProto.FLOAT
    return tensors, [
        make("Cast", [f"{name}.int8"], [f"{name}.wide"], to=to),
        make("Cast", [f"{name}.scale"], [f"{name}.wide_scale"], to=to),
        make("Mul", [f"{name}.wide", f"{name}.wide_scale"], [f"{name}.grouped"]),
        make("Reshape", [f"{name}.grouped", f"{name}.shape"], [name]),
    ]


def _table(onnx: Any, weight: Any) -> list[Any]:
    return _quantized(onnx, weight.name, onnx.numpy_helper.to_array(weight), axis=1)


def _quantized(onnx: Any, name: str, values: Any, *, axis: int) -> list[Any]:
    """NAME.int8 and NAME.scale (float16), the scale shared over `axis`."""
    import numpy as np

    least = np.finfo(np.float16).tiny
    # Rounded before it is divided by, so that rounding it costs nothing.
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / 127, least).astype(np.float16)
    steps = np.clip(np.rint(values / scale.astype(np.float32)), -127, 127)
    return [
        onnx.numpy_helper.from_array(steps.astype(np.int8), f"{name}.int8"),
        onnx.numpy_helper.from_array(scale, f"{name}.scale"),
    ]


def _restored_rows(onnx: Any, gather: Any) -> list[Any]:
    table, places = gather.input
    found = gather.output[0]
    make, to = onnx.helper.make_node, onnx.TensorProto.FLOAT
    return [
        make("Gather", [f"{table}.int8", places], [f"{found}.int8"], axis=0),
        make("Gather", [f"{table}.scale", places], [f"{found}.scale"], axis=0),
        make("Cast", [f"{found}.int8"], [f"{found}.wide"], to=to),
        make("Cast", [f"{found}.scale"], [f"{found}.wide_scale"], to=to),
        make("Mul", [f"{found}.wide", f"{found}.wide_scale"], [found]),
    ]


def stored_weights(model: Any, *, to_train: bool = False) -> dict[str, Any]:
    """The weights of such a graph by name, float32 again: what `with_int8_weights` was given, rounded.

    Args:
        to_train: Put each matrix weight at random somewhere in its step of int8, as far as that is known at
            all. Left at the middle of its step, it would be rounded back to it at the next export, and all
            that training moved by less than half a step would be lost.
    """
    import numpy as np

    numpy_helper = importlib.import_module("onnx").numpy_helper
    arrays: dict[str, Any] = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    weights: dict[str, Any] = {}
    random: Any = np.random.default_rng(0)
    for name, values in arrays.items():
        whole, _, part = name.rpartition(".")
        if part == "int8":
            shape = arrays.get(f"{whole}.shape")
            wide: Any = values.astype(np.float32)
            if to_train and shape is not None:
                wide = wide + random.uniform(-0.5, 0.5, wide.shape).astype(np.float32)
            wide = wide * arrays[f"{whole}.scale"].astype(np.float32)
            weights[whole] = wide if shape is None else wide.reshape(shape)
        elif not (part in ("scale", "shape") and f"{whole}.int8" in arrays):
            weights[name] = values
    return weights
