"""What the selector asks of an encoder: texts to vectors, of whole texts and of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from toolhone.selection.calibration import Calibration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EncodedTask:
    """A task: one pass of the encoder gives the vectors of the whole and of each sentence."""

    parts: "NDArray[np.float32]"
    """(parts, dimensions), rows of length 1: the whole task, then its sentences if it has several."""
    tokens: "NDArray[np.float32]"
    """(tokens, token_dimensions), rows of length 1; (0, 0) if the encoder gives no token vectors."""
    weights: "NDArray[np.float32]"
    """(parts, tokens): how much each token counts in its part; rows sum to 1, (parts, 0) without tokens."""
    complete: bool
    """Whether all of the task was read; of a longer one it is the beginning."""


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text of the index: a tool's, or a server's."""

    vector: "NDArray[np.float32]"
    """(dimensions,), of length 1."""
    tokens: "NDArray[np.int8]"
    """(tokens, token_dimensions): 127 times unit vectors, rounded; (0, 0) without token vectors."""


class Encoder(Protocol):
    """Blocking; may be called from several threads. A text's vectors do not depend on its neighbours."""

    @property
    def name(self) -> str:
        """Names the model and everything else its vectors depend on: the key they are cached under."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def token_dimensions(self) -> int:
        """0 if the encoder was not trained to compare token by token."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """What scores made with it mean, if that was fitted."""
        ...

    def encode_task(self, task: str) -> EncodedTask: ...

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]: ...
