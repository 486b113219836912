"""What was found out of definitions is remembered by all that it follows from, and by nothing else."""

import threading

import pytest

from toolhone.compression.proven import Proven, digest
from toolhone.compression.signatures import Entry, decompress, encode
from toolhone.models import JsonObject


def test_what_is_known_is_not_found_out_again() -> None:
    asked: list[str] = []

    def found_out() -> bool:
        asked.append("asked")
        return False

    proven = Proven()
    key = digest({"a": 1})
    assert proven.of(key, found_out) is False
    assert proven.of(digest({"a": 1}), found_out) is False
    assert asked == ["asked"]


def test_without_a_key_and_after_an_error_nothing_is_kept() -> None:
    proven = Proven()
    answers = iter([True, False])
    assert proven.of(None, lambda: next(answers)) is True
    assert proven.of(None, lambda: next(answers)) is False
    key = digest("a")
    with pytest.raises(ZeroDivisionError):
        proven.of(key, lambda: 1 // 0 == 1)
    assert proven.of(key, lambda: True) is True


def test_the_one_not_asked_for_longest_goes_first() -> None:
    proven = Proven(most=2)
    first, second, third = digest(1), digest(2), digest(3)
    for key in (first, second, first, third):
        proven.of(key, lambda: True)
    assert proven.of(first, lambda: False) is True
    assert proven.of(second, lambda: False) is False


def test_values_that_json_tells_apart_have_digests_of_their_own() -> None:
    values = [1, True, 1.0, "1", None, [1], {"1": 1}, [[1]], 0.0, -0.0, ""]
    assert len({digest(value) for value in values}) == len(values)
    assert digest([1], 2) != digest([1, 2])
    assert digest(object()) is None


def test_a_definition_changed_in_place_is_looked_at_anew() -> None:
    tool: JsonObject = {"name": "t", "inputSchema": {"type": "object", "properties": {"a": {"minimum": 1}}}}
    for smallest in (1, 1.0, True, 2):
        tool["inputSchema"]["properties"]["a"]["minimum"] = smallest
        found = encode([Entry(tool=tool)], cost=lambda written: len(written.blocks[0]))
        (read,) = decompress("\n".join([*found.written.preamble, *found.written.blocks]))
        told = read["inputSchema"]["properties"]["a"]["minimum"]
        assert (type(told), told) == (type(smallest), smallest)


def test_threads_may_ask_at_once() -> None:
    proven = Proven(most=8)
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(
            number
            for number in range(2_000)
            if proven.of(digest(number % 16), lambda even=number % 2 == 0: even) != (number % 2 == 0)
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
