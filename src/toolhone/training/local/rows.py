"""Turns a dataset's splits into what is trained on and what the loss is watched on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from toolhone.exceptions import InvalidRequestError
from toolhone.training.local.conversations import read_conversations
from toolhone.training.local.masks import ChatTokenizer, Example, Marked, mark
from toolhone.training.local.orders import TrainingOrder

logger = logging.getLogger(__name__)

_LOGITS = 250_000_000
"""So many scores of the vocabulary are worked out at once: a gigabyte, and some more for their gradients."""

_TOKENS = 8_192
"""The same for small vocabularies, where the layers take more than the scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a training, ready."""

    train: Marked
    validation: Marked | None
    """`None`: there are no validation rows that could be used."""
    at_once: int
    """Rows in a pass over the model; `batch_size` is a multiple of it."""

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        return sum(len(example.input_ids) for example in self.train.examples)

    @property
    def learned(self) -> int:
        """Tokens of one epoch that are learned."""
        return sum(example.learned for example in self.train.examples)

    @property
    def dropped(self) -> dict[str, int]:
        """Rows left out of the training, by reason."""
        return dict(self.train.dropped)


def prepare(order: TrainingOrder, tokenizer: ChatTokenizer, *, positions: int, vocabulary: int) -> Rows:
    """Read and label the rows.

    Args:
        positions: How many tokens the model can read.
        vocabulary: How many tokens it knows.

    Raises:
        InvalidRequestError: The template cannot be trained with, or no row is left.
    """
    longest = min(order.longest_row, positions)
    train = mark(tokenizer, read_conversations(order.dataset / "train.jsonl"), longest=longest)
    validation = None
    file = order.dataset / "validation.jsonl"
    held_out = read_conversations(file) if file.is_file() else []
    if held_out:
        try:
            validation = mark(tokenizer, held_out, longest=longest)
        except InvalidRequestError as exc:
            # Not one row of them can be used; the training can do without, and says so.
            logger.warning("The validation rows are left out: %s", exc)
    return Rows(
        train=train,
        validation=validation,
        at_once=rows_at_once(order.batch_size, train.examples, vocabulary),
    )


def rows_at_once(batch: int, examples: Sequence[Example], vocabulary: int) -> int:
    """The largest part of a batch that fits; the rest of it follows before the weights change."""
    longest = max(len(example.input_ids) for example in examples)
    fits = max(1, min(_TOKENS, _LOGITS // max(vocabulary, 1)) // longest)
    return next(size for size in range(min(batch, fits), 0, -1) if batch % size == 0)


def steps_of(rows: int, batch: int, epochs: int) -> int:
    """How often the weights change."""
    return -(-rows // batch) * epochs
