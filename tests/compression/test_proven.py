"""What was proven of definitions is remembered by all that it follows from, and by nothing else."""

import threading
from copy import deepcopy

import pytest

from toolhone.compression.levels import Level
from toolhone.compression.proven import Proven, digest
from toolhone.compression.reading import SignatureReader
from toolhone.compression.rendering import Rendered, render
from toolhone.compression.signatures import Entry, Signatures, decompress, encode
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject

TOOL: JsonObject = {
    "name": "rounded",
    "inputSchema": {"type": "object", "properties": {"by": {"type": "number", "minimum": 1}}},
}


def test_what_is_kept_is_known_with_what_it_took() -> None:
    proven = Proven()
    assert proven.spent_on(digest({"a": 1})) is None
    proven.keep(digest({"a": 1}), spent=7)
    assert proven.spent_on(digest({"a": 1})) == 7


def test_what_has_no_digest_is_not_kept() -> None:
    proven = Proven()
    proven.keep(digest(object()))
    assert proven.spent_on(digest(object())) is None


def test_the_one_not_asked_for_longest_goes_first() -> None:
    proven = Proven(most=2)
    first, second, third = digest(1), digest(2), digest(3)
    proven.keep(first)
    proven.keep(second)
    proven.spent_on(first)
    proven.keep(third)
    assert [proven.spent_on(key) for key in (first, second, third)] == [0, None, 0]


def test_values_that_json_tells_apart_have_digests_of_their_own() -> None:
    values = [1, True, 1.0, "1", None, [1], {"1": 1}, [[1]], 0.0, -0.0, ""]
    assert len({digest(value) for value in values}) == len(values)
    assert digest([1], 2) != digest([1, 2])


def test_threads_may_ask_at_once() -> None:
    proven = Proven(most=8)
    wrong: list[Json] = []

    def ask() -> None:
        for number in range(2_000):
            key = digest(number % 16)
            proven.keep(key, spent=number % 16)
            found = proven.spent_on(key)
            if found not in (number % 16, None):
                wrong.append((number, found))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(proven.spent_on(digest(number)) is not None for number in range(16)) == 8


def encoded(tool: JsonObject, *, joined: bool = False) -> Signatures:
    return encode([Entry(tool=tool, joined=joined)], cost=lambda written: len(written.blocks[0]))


def test_only_the_same_text_of_the_same_definition_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = deepcopy(TOOL)
    assert encoded(tool).raw == ()

    def refuse(reader: SignatureReader, lines: Json) -> Json:
        raise SignatureError("It is not to be read again.")

    monkeypatch.setattr(SignatureReader, "block", refuse)
    assert encoded(deepcopy(tool)).raw == ()
    # Other values, in place, whose text may well be the same; another text; another name.
    tool["inputSchema"]["properties"]["by"]["minimum"] = 1.0
    assert encoded(tool).raw == (0,)
    tool["inputSchema"]["properties"]["by"]["minimum"] = True
    assert encoded(tool).raw == (0,)
    assert encoded({**TOOL, "inputSchema": {"properties": {}, "type": "object"}}).raw == (0,)
    assert encoded({**TOOL, "name": "floored"}).raw == (0,)


def test_what_cannot_be_signed_any_more_goes_out_as_json() -> None:
    tool = deepcopy(TOOL)
    assert encoded(tool).raw == ()
    del tool["inputSchema"]
    assert encoded(tool).raw == (0,)


def with_shared_enum(name: str) -> JsonObject:
    """One of two tools that together expand to more than a text may, and each alone to less."""
    words = [f"word {number}" for number in range(100)]
    properties = {f"{name}{number}": {"enum": words} for number in range(45)}
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


def whole(*tools: JsonObject) -> Rendered:
    return render(tools, Level.FULL)


def test_texts_that_were_proven_alone_are_not_thereby_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolhone.compression.reading._MOST", 12_000)
    a, b = with_shared_enum("a"), with_shared_enum("b")
    assert whole(a).fallbacks == whole(b).fallbacks == ()
    together = whole(a, b)
    assert together.fallbacks == ("b",)
    assert decompress(together.text) == [a, b]
    # And what had no room beside others has it alone, whatever was asked before.
    for tool in (b, a):
        alone = render([tool], Level.FULL, legend=False)
        assert alone.fallbacks == ()
        assert decompress(alone.text) == [tool]
