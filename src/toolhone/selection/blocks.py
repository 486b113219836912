"""The parts of an index as named blocks of bytes: how they are stored together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Blocks = dict[str, "NDArray[np.generic] | bytes"]
"""What a part writes. Numbers are little-endian, and are read back as they are."""


def joined(parts: Mapping[str, Blocks]) -> Blocks:
    """The blocks of all parts, each under its part's name."""
    return {f"{part}.{name}": block for part, blocks in parts.items() for name, block in blocks.items()}


def of_part(part: str, blocks: Mapping[str, memoryview]) -> dict[str, memoryview]:
    """The blocks of one part again."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): block for name, block in blocks.items() if name.startswith(prefix)}
