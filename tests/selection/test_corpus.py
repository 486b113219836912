"""What identifies a document, and how documents are found by their text."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Category, ToolDefinition
from toolhone.selection.corpus import (
    DIGEST,
    IDENTITY,
    Corpus,
    Hashes,
    Lookup,
    digests_of,
    text_hashes,
    tool_identity,
)

TOOL = ToolDefinition(
    name="web__search",
    description="Search the web.",
    input_schema={"type": "object", "properties": {"query": {"type": "string", "enum": ["a", "b"]}}},
    server="web",
    original_name="search",
)


@pytest.mark.parametrize(
    "changed",
    [
        replace(TOOL, name="web__search_2"),
        replace(TOOL, description="Search the net."),
        replace(TOOL, server="net"),
        replace(TOOL, original_name="Search"),
        replace(TOOL, input_schema={"type": "object", "properties": {"query": {"enum": ["a", "c"]}}}),
        replace(TOOL, input_schema={}),
    ],
)
def test_a_tool_that_may_read_differently_has_another_identity(changed: ToolDefinition) -> None:
    assert tool_identity(changed) != tool_identity(TOOL)


def test_equal_tools_have_one_identity_and_so_have_those_that_differ_in_what_is_not_read() -> None:
    # A copy made of other objects: strings that are not shared with the first one.
    copy = replace(TOOL, description="".join(list(TOOL.description)), input_schema=dict(TOOL.input_schema))

    assert tool_identity(copy) == tool_identity(TOOL)
    assert tool_identity(replace(TOOL, category=Category.ECOMMERCE, trusted=False)) == tool_identity(TOOL)


def test_any_schema_has_an_identity() -> None:
    class Unit(StrEnum):
        METRE = "m"

    odd = {"type": "object", "enum": [Unit.METRE, 1e400, "\ud800", 2**70, None], "x": {"y": [True]}}

    assert tool_identity(replace(TOOL, input_schema=odd)) != tool_identity(TOOL)


DIGESTS = st.lists(
    st.sampled_from([b"a" * 32, b"a" * 31 + b"\0", b"a" * 8 + b"b" * 24, b"\0" * 32]), max_size=6
)


@settings(deadline=None)
@given(DIGESTS, DIGESTS)
def test_documents_are_found_by_their_text(documents: list[bytes], asked: list[bytes]) -> None:
    found = Lookup(np.array(documents, DIGEST)).rows(np.array(asked, DIGEST))

    pairs = [[a, d] for a, wanted in enumerate(asked) for d, text in enumerate(documents) if text == wanted]
    listed: list[list[int]] = np.stack(found, axis=1).tolist()
    assert sorted(listed) == pairs


def test_a_hash_that_ends_in_zeros_stays_whole() -> None:
    key = "sha256:" + "ab" * 30 + "0000"

    assert text_hashes(digests_of([key])) == [key]


IDENTITIES = st.lists(st.integers(0, 12), unique=True)


@settings(deadline=None)
@given(IDENTITIES, IDENTITIES)
def test_documents_are_found_again_in_an_order_that_rises(before: list[int], after: list[int]) -> None:
    def identities(numbers: list[int]) -> Hashes:
        return np.array([bytes([number]) * 16 for number in numbers], IDENTITY)

    empty = Corpus.empty()
    corpus = empty.updated(identities(before), empty.find(identities(before)), str)
    sources: list[int] = corpus.find(identities(after)).tolist()

    known = [(number, source) for number, source in zip(after, sources, strict=True) if source >= 0]
    assert all(before[source] == number for number, source in known)
    assert [source for _, source in known] == sorted(source for _, source in known)
    if before == sorted(before) and after == sorted(after):
        assert [number for number, _ in known] == [number for number in after if number in before]
