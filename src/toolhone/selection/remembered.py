"""Answers that were given before, bounded in number, for as long as nothing that they rest on has changed.

Most of what is asked is asked again, and all of an answer follows from what it rests on: the index, what was
learned, the encoder. So these are compared by identity, and another one forgets everything.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from toolhone.selection.question import Question

T = TypeVar("T")


class Remembered(Generic[T]):
    """The answers that were used last, by what was asked. Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._basis: tuple[object, ...] = ()
        self._answers: OrderedDict[Hashable, T] = OrderedDict()

    def find(self, key: Hashable, *basis: object) -> T | None:
        """The answer to this, if it was given on the same basis."""
        if not self._is_on(basis):
            return None
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def keep(self, key: Hashable, answer: T, *basis: object) -> T:
        """Keep an answer. Those on another basis go, and of too many the one not used for longest."""
        if not self._is_on(basis):
            self._answers.clear()
            self._basis = basis
        self._answers[key] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        return answer

    def _is_on(self, basis: tuple[object, ...]) -> bool:
        return len(basis) == len(self._basis) and all(map(_same, basis, self._basis))


def _same(one: object, other: object) -> bool:
    return one is other


def key_of(question: Question) -> Hashable:
    """What tells a question from others in whose order tools fit; what calls cost has no part in that."""
    return (
        question.task,
        question.task_characters,
        question.max_tools,
        question.available,
        question.category,
        question.known,
        question.pinned,
        frozenset(question.blocked.items()),
        question.exhaustive,
    )
