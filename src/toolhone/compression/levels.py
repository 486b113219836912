"""How much of a tool definition is shown, and what each level leaves out."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Level(StrEnum):
    """From the least detail to the most; `seed` stands beside the others."""

    NAMES = "names"
    INDEX = "index"
    TYPES = "types"
    BRIEF = "brief"
    FULL = "full"
    JSON = "json"
    SEED = "seed"


LOSSLESS = frozenset({Level.FULL, Level.JSON})
"""The levels whose text `decompress` reads."""

LEFT_OUT: Mapping[Level, str] = MappingProxyType(
    {
        Level.NAMES: "names only; see describe_tools",
        Level.INDEX: "no parameters; see describe_tools",
        Level.TYPES: "no descriptions, no output; see describe_tools",
        Level.BRIEF: "first sentences, no output; see describe_tools",
        Level.FULL: "",
        Level.JSON: "",
        Level.SEED: "lossy: n name, d description, p parameters, r required; see describe_tools",
    }
)
"""What a text of this level does not show, and how to get it. Empty where nothing is missing."""
