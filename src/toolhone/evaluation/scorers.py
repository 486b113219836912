"""How right an answer is, 0 to 1: named ways of comparing it with the recorded one. Pure.

Every scorer gives 1 to an answer that is the recorded one. Where the recorded answer is of a kind that a
scorer has no use for (prose under `json_equality`, say) the next simpler one decides, `exact` in the end.
"""

import importlib
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeGuard, cast

from toolhone.evaluation.exchanges import all_exchanges, calls_of, json_of, median_words, text_of
from toolhone.exceptions import ConfigurationError, InvalidRequestError
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row

ScoreFunction: TypeAlias = Callable[[JsonObject, JsonObject], float]
"""Compares the recorded message with the answered one, both of the role assistant: 0 to 1."""

TOLERANCE = 0.01
"""The share by which `numeric_tolerance` lets numbers differ, unless another is named."""

MOST_SHARE = 0.05
"""The largest that a request may name: nobody is to choose a ruler by which everything is right."""

LONG_ANSWER = 12
"""Words from which on nobody can expect an answer word for word."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A way of scoring, under the name by which it is asked for."""

    name: str
    function: ScoreFunction

    def score(self, expected: JsonObject, given: JsonObject) -> float:
        """How right the answer is.

        Raises:
            InvalidRequestError: It is a function of the user's, and it failed or gave no score.
        """
        try:
            value = self.function(expected, given)
        except Exception as exc:  # somebody else's code; the evaluation ends here
            raise InvalidRequestError(
                f"The scorer {self.name!r} failed: {type(exc).__name__}: {exc}. Mend it and evaluate again."
            ) from exc
        if not isinstance(value, int | float) or not 0 <= value <= 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequestError(
                f"The scorer {self.name!r} gave {value!r}; a score is a number from 0 to 1. "
                "Mend it and evaluate again."
            )
        return float(value)


def exact(expected: JsonObject, given: JsonObject) -> float:
    """1 if the text is the same but for white space, and the calls of tools are the same. Symmetric."""
    same = text_of(expected).split() == text_of(given).split()
    return float(same and _calls(expected) == _calls(given))


def json_equality(expected: JsonObject, given: JsonObject) -> float:
    """1 if both are the same JSON value: the order of keys does not count, that of arrays does."""
    is_json, right = json_of(text_of(expected))
    if not is_json or calls_of(expected):
        return exact(expected, given)
    answered, value = json_of(text_of(given))
    return float(answered and not calls_of(given) and _key(value) == _key(right))


def tool_call_match(expected: JsonObject, given: JsonObject) -> float:
    """The share of calls that are right, of those that are right or were made.

    A call is right if its name and all its arguments are; a right name alone gets nothing. Calls of one
    turn run side by side, so their order does not count. Text beside the calls is not read. Where no tool
    should be called, the text is compared, and any call is wrong. Symmetric between answers with calls.
    """
    wanted, made = _calls(expected), _calls(given)
    if not wanted:
        return 0.0 if made else json_equality(expected, given)
    return (wanted & made).total() / (wanted | made).total()


def field_f1(expected: JsonObject, given: JsonObject) -> float:
    """F1 over the fields of a JSON answer, or of the arguments of its calls: a field is a path and a value.

    Elements of arrays are fields by their place. Symmetric between answers with fields.
    """
    wanted, made = _fields(expected), _fields(given)
    if wanted is None:
        return exact(expected, given)
    if made is None:
        return 0.0
    return 2 * (wanted & made).total() / (wanted.total() + made.total())


def numeric_tolerance(expected: JsonObject, given: JsonObject, *, share: float = TOLERANCE) -> float:
    """1 if all numbers are near enough and everything else is the same, in JSON or in text."""
    if calls_of(expected) or calls_of(given):
        return exact(expected, given)
    (right_json, right), (json, value) = json_of(text_of(expected)), json_of(text_of(given))
    if right_json and json:
        return float(_near(right, value, share))
    right_words, words = _NUMBER.split(text_of(expected)), _NUMBER.split(text_of(given))
    if len(right_words) != len(words):
        return 0.0
    # Split by a group, a list holds text and numbers in turn.
    same = all(a.split() == b.split() for a, b in zip(right_words[::2], words[::2], strict=True))
    near = all(_near(float(a), float(b), share) for a, b in zip(right_words[1::2], words[1::2], strict=True))
    return float(same and near)


BUILT_IN: Mapping[str, ScoreFunction] = {
    function.__name__: function
    for function in (exact, json_equality, tool_call_match, field_f1, numeric_tolerance)
}
JUDGE = "judge"
"""The name of the model that judges where one is configured (`training.judge_model`): it takes asking."""


class Scorers:
    """The scorers there are: the built-in ones, and functions that whoever builds the app named.

    A caller can only choose among names. A function is never named by a request, since naming one runs it.
    """

    def __init__(self, own: Mapping[str, ScoreFunction | str] | None = None) -> None:
        """Take the functions of the user's.

        Args:
            own: A function, or where it is, as `module:function`, imported when it is first asked for.

        Raises:
            ConfigurationError: One has the name of a built-in scorer.
        """
        for name in own or {}:
            if name in {*BUILT_IN, JUDGE} or not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"A scorer cannot be called {name!r}. Choose another name of small letters, digits and "
                    f"'_' than {', '.join([*BUILT_IN, JUDGE])}."
                )
        self._functions: dict[str, ScoreFunction | str] = {**BUILT_IN, **(own or {})}

    @property
    def names(self) -> list[str]:
        return list(self._functions)

    def named(self, name: str) -> Scorer:
        """The scorer of this name; `numeric_tolerance:0.02` sets how near is near enough.

        Raises:
            InvalidRequestError: There is none.
            ConfigurationError: It is a function of the user's that cannot be imported.
        """
        known, separator, detail = name.partition(":")
        if known == "numeric_tolerance" and separator:
            return Scorer(name, partial(numeric_tolerance, share=_share(detail, name)))
        if name not in self._functions:
            raise InvalidRequestError(
                f"There is no scorer {name!r}. There are {', '.join(self._functions)}; functions of your own "
                "are named in the configuration."
            )
        function = self._functions[name]
        if isinstance(function, str):
            function = self._functions[name] = load_scorer(name, function)
        return Scorer(name, function)


def default_scorer(rows: Sequence[Row]) -> tuple[Scorer, str]:
    """What suits the recorded answers, and why.

    Raises:
        InvalidRequestError: A row has no answer.
    """
    answers = [exchange.expected for exchange in all_exchanges(rows)]
    calls = sum(bool(calls_of(answer)) for answer in answers)
    structured = sum(json_of(text_of(answer))[0] for answer in answers)
    if calls:
        why = f"{calls} of {len(answers)} recorded answers call tools, so names and arguments are compared."
        return Scorer("tool_call_match", tool_call_match), why
    if structured:
        why = f"{structured} of {len(answers)} recorded answers are JSON, so values are compared."
        return Scorer("json_equality", json_equality), why
    why = "The recorded answers are text, so it is compared word for word."
    if (words := median_words(answers)) >= LONG_ANSWER:
        why += (
            f" At {words} words in the middle hardly any answer will match; name a scorer that suits them, "
            "a judge model for instance."
        )
    return Scorer("exact", exact), why


def load_scorer(name: str, target: str) -> ScoreFunction:
    """The function `module:function` that the configuration calls `name`. Runs the module.

    Raises:
        ConfigurationError: There is no such function.
    """
    module, _, attribute = target.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except Exception as exc:  # importing runs the user's code
        raise ConfigurationError(
            f"The scorer {name!r} is configured as {target!r}, which cannot be loaded: {exc}. "
            "Write it as module:function, of a module that can be imported."
        ) from exc
    if not callable(found):
        raise ConfigurationError(f"The scorer {name!r} is configured as {target!r}, which is no function.")
    return cast("ScoreFunction", found)


_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")


def _share(text: str, name: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= MOST_SHARE:
        raise InvalidRequestError(
            f"The scorer is {name!r}; write a share from 0 to {MOST_SHARE:g}, such as "
            "numeric_tolerance:0.02. A larger one takes a function of your own, named in the configuration."
        )
    return share


def _calls(message: JsonObject) -> Counter[Hashable]:
    return Counter((call.name, _key(call.arguments)) for call in calls_of(message))


def _key(value: Json) -> Hashable:
    """Something that is equal where two JSON values are: in Python `True == 1` and `[] != ()` are not it."""
    if is_object(value):
        return ("object", frozenset((name, _key(item)) for name, item in value.items()))
    if is_array(value):
        return ("array", tuple(_key(item) for item in value))
    if _is_number(value):
        return ("number", value)  # 1 and 1.0 are one number in JSON, and equal and hash alike in Python
    return (type(value).__name__, value)


def _fields(message: JsonObject) -> Counter[Hashable] | None:
    """Its leaves with their paths; `None` if the message has neither JSON nor calls."""
    if calls := calls_of(message):
        # Marked, so that a call which is only written as JSON shares no field with one that is made.
        return Counter(
            ("call", field) for call in calls for field in (call.name, *_leaves(call.arguments, call.name))
        )
    is_json, value = json_of(text_of(message))
    return Counter(_leaves(value)) if is_json else None


def _leaves(value: Json, *path: str | int) -> Iterator[Hashable]:
    if is_object(value) and value:
        for name, item in value.items():
            yield from _leaves(item, *path, name)
    elif is_array(value) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, *path, number)
    else:
        yield path, _key(value)


def _is_number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(right: Json, value: Json, share: float) -> bool:
    if is_object(right) and is_object(value):
        return right.keys() == value.keys() and all(_near(right[name], value[name], share) for name in right)
    if is_array(right) and is_array(value):
        return len(right) == len(value) and all(map(partial(_near, share=share), right, value))
    if _is_number(right) and _is_number(value):
        try:
            return math.isclose(right, value, rel_tol=share)
        except OverflowError:  # an integer beyond all floats
            return right == value
    return _key(right) == _key(value)
