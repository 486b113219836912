"""The parts of an index as named blocks of bytes: how they are stored together."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Blocks = dict[str, Iterable[memoryview]]
"""What a part writes, each block in pieces. Numbers are little-endian, and are read back as they are."""


def block(values: NDArray[Any]) -> list[memoryview]:
    """An array as a block in one piece."""
    return [np.ascontiguousarray(values).view(np.uint8).data.cast("B")]


def joined(parts: Mapping[str, Blocks]) -> Blocks:
    """The blocks of all parts, each under its part's name."""
    return {f"{part}.{name}": pieces for part, blocks in parts.items() for name, pieces in blocks.items()}


def of_part(part: str, blocks: Mapping[str, memoryview]) -> dict[str, memoryview]:
    """The blocks of one part again."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): data for name, data in blocks.items() if name.startswith(prefix)}
