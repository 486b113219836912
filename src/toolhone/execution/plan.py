"""A batch as a plan: which call needs which other's answer, and whether that can work at all. Pure.

Anywhere in the arguments, `{"$from": ID, "path": JSON-POINTER}` stands for a value out of the answer of
the call with that id; without `path`, for the whole. The answer is the call's structured content, else
its text parsed as JSON, else its text, which is also at `/text`.

To pass an object of that very shape as data, wrap it: `{"$quote": {"$from": "a"}}` arrives as
`{"$from": "a"}`. Only objects with the key `$from` need it; a quote around anything else is data like any
other. An object with `$from` and keys that a reference does not have is refused: it is a slip far more
often than data.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from toolhone.exceptions import InvalidPlanError, InvalidRequestError, ReferenceFailedError
from toolhone.json_values import is_array, is_object, minified, parse_json
from toolhone.models import Json, JsonObject, ToolOutput
from toolhone.pointers import follow, tokens_of

DEEPEST = 200
"""Levels of objects and lists in the arguments of a call. No more can come over MCP as it is."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in the arguments that waits for another call's answer."""

    source: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls by their position in the batch."""

    needs: tuple[frozenset[int], ...]
    """For each call, the calls whose answers it refers to."""
    problems: dict[int, InvalidPlanError]
    """Calls that can never run. Those that need one of them fail as if it had been called and failed."""


def fill_slots(given: Sequence[str | None]) -> list[str]:
    """An id for every call: its own, else its position, made different from everybody's own."""
    taken = {slot for slot in given if slot is not None}
    slots: list[str] = []
    for position, own in enumerate(given, start=1):
        slot = own if own is not None else str(position)
        while own is None and slot in taken:
            slot += "_"
        taken.add(slot)
        slots.append(slot)
    return slots


def make_plan(slots: Sequence[str], arguments: Sequence[JsonObject]) -> Plan:
    """See who needs whom, and find what cannot work before anything runs."""
    positions: dict[str, int] = {}
    problems: dict[int, InvalidPlanError] = {}
    for index, slot in enumerate(slots):
        if slots.count(slot) > 1:
            problems[index] = InvalidPlanError(
                f"{slots.count(slot)} calls of this batch have the id {slot!r}. Give each its own.",
                data={"ids": [slot]},
            )
        positions.setdefault(slot, index)
    needs: list[frozenset[int]] = []
    for index, slot in enumerate(slots):
        try:
            found = list(references(arguments[index]))
            unknown = sorted({one.source for one in found if one.source not in positions})
            if unknown:
                raise InvalidPlanError(
                    f"The call {slot!r} refers to {_listed(unknown)}, which is no call of this batch; "
                    f"there are: {_listed(slots)}.",
                    data={"ids": unknown},
                )
        except InvalidPlanError as problem:
            problems.setdefault(index, problem)
            found = []
        needs.append(frozenset(positions[one.source] for one in found))
    for index, slot in enumerate(slots):
        if cycle := _cycle(index, needs):
            path = [slots[step] for step in cycle]
            what = "itself" if len(cycle) == 1 else " → ".join(repr(step) for step in [*path, slot])
            problem = InvalidPlanError(
                f"The call {slot!r} waits for {what}, so it can never run. Remove a reference.",
                data={"ids": path},
            )
            problems.setdefault(index, problem)
    return Plan(tuple(needs), problems)


def _listed(slots: Sequence[str]) -> str:
    return ", ".join(repr(slot) for slot in slots)


def _cycle(start: int, needs: Sequence[frozenset[int]]) -> list[int] | None:
    """The shortest way from a call over its needs back to itself."""
    ways: list[list[int]] = [[start]]
    seen: set[int] = set()
    for way in ways:  # Grows while it is read: a breadth-first search.
        for need in sorted(needs[way[-1]]):
            if need == start:
                return way
            if need not in seen:
                seen.add(need)
                ways.append([*way, need])
    return None


def references(value: Json) -> Iterator[Reference]:
    """Every reference inside a value.

    Raises:
        InvalidPlanError: Something has the shape of a reference but cannot be one, or nests too deep.
    """
    level = 0
    of_level: list[Json] = [value]
    while of_level:
        level += 1
        if level > DEEPEST:
            raise InvalidPlanError(
                f"The arguments nest more than {DEEPEST} levels deep. Send something flatter."
            )
        inner: list[Json] = []
        for value in of_level:
            if is_object(value):
                reference = _as_reference(value)
                if reference is not None:
                    yield reference
                elif not _is_quote(value):
                    inner.extend(value.values())
            elif is_array(value):
                inner.extend(value)
        of_level = [part for part in inner if is_object(part) or is_array(part)]


def resolve(value: Json, answer_of: Callable[[str], ToolOutput]) -> Json:
    """The value with answers in place of references, and without quotes.

    Raises:
        ReferenceFailedError: An answer has nothing at the path.
    """
    if is_array(value):
        return [resolve(item, answer_of) for item in value]
    if not is_object(value):
        return value
    if _is_quote(value):
        return value["$quote"]
    reference = _as_reference(value)
    if reference is not None:
        return _value_at(reference, answer_of(reference.source))
    return {key: resolve(item, answer_of) for key, item in value.items()}


def count_references(value: Json) -> int:
    """How many objects that look like references are in a value."""
    count, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if is_object(value):
            count += _has_shape(value)
            waiting.extend(value.values())
        elif is_array(value):
            waiting.extend(value)
    return count


def _has_shape(value: Json) -> bool:
    return is_object(value) and "$from" in value


def _is_quote(value: JsonObject) -> bool:
    if value.keys() != {"$quote"}:
        return False
    inner = value["$quote"]
    return _has_shape(inner) or (is_object(inner) and _is_quote(inner))


def _as_reference(value: JsonObject) -> Reference | None:
    if not _has_shape(value):
        return None
    if unknown := sorted(value.keys() - {"$from", "path"}):
        raise InvalidPlanError(
            f'A reference has the keys "$from" (the id of a call) and "path" (a JSON Pointer); this one '
            f"has {_listed(unknown)[:200]} too: {minified(value)[:200]}. "
            'If it is data, wrap it: {"$quote": {"$from": …}}.',
        )
    source, path = value["$from"], value.get("path") or ""
    if isinstance(source, int) and not isinstance(source, bool):
        source = str(source)
    if not isinstance(source, str) or not isinstance(path, str):
        raise InvalidPlanError(
            f'The reference {value!r} is not valid: "$from" is the id of a call, "path" a JSON Pointer. '
            'If it is data, wrap it in {"$quote": …}.'
        )
    try:
        tokens_of(path)
    except InvalidRequestError as exc:
        raise InvalidPlanError(f"In the reference to {source!r}: {exc.message}") from exc
    return Reference(source, path)


def _value_at(reference: Reference, output: ToolOutput) -> Json:
    value = answer_value(output)
    if reference.path == "/text" and not output.has_structured and not is_object(value):
        return (output.whole or output).text
    try:
        return follow(value, reference.path)
    except InvalidRequestError as exc:
        raise ReferenceFailedError(
            f"In the answer of {reference.source!r}: {exc.message}",
            data={"id": reference.source, "path": reference.path},
        ) from exc


def answer_value(output: ToolOutput) -> Json:
    """What references to a call see of its answer, also when the caller only got a preview of it."""
    output = output.whole or output
    if output.has_structured:
        return output.structured
    text = output.text
    try:
        return parse_json(text)
    except ValueError:
        return text
