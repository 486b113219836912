"""Texts that are nearly the same find each other, others do not."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.datasets.near_duplicates import RUN, Texts, Union, join_near, likeness, signatures_of

ORDER = "please refund the late order basket_17 for the customer 4711 before the end of this month"


def groups(*texts: str) -> list[int]:
    known = Texts()
    numbers = [known.add(text) for text in texts]
    union = Union(len(known))
    join_near(known.signatures(), union)
    return [union.find(number) for number in numbers]


@pytest.mark.parametrize(
    "variant",
    [
        f"{ORDER} thanks",
        f"please {ORDER}",
        ORDER.replace("customer", "cutsomer"),
        ORDER.replace("4711", "4712"),
    ],
)
def test_a_variant_is_near(variant: str) -> None:
    first, second = groups(ORDER, variant)

    assert first == second


@pytest.mark.parametrize(
    "other", ["please cancel the new invoice for shop 12 at once", "yes", "", "a note about copper kettles"]
)
def test_another_request_is_not(other: str) -> None:
    first, second = groups(ORDER, other)

    assert first != second


def test_the_same_text_has_the_same_number() -> None:
    texts = Texts()

    assert [texts.add("a"), texts.add("b"), texts.add("a")] == [0, 1, 0]
    assert len(texts) == 2
    assert texts.signatures().shape[0] == 2


def test_nothing_has_no_signatures() -> None:
    assert len(Texts().signatures()) == 0
    join_near(Texts().signatures(), Union(0))


def exact_likeness(one: bytes, other: bytes) -> float:
    first, second = ({text[at : at + RUN] for at in range(len(text) - RUN + 1)} for text in (one, other))
    return len(first & second) / len(first | second)


def test_signatures_estimate_the_jaccard_index() -> None:
    rng = random.Random(0)
    texts = [bytes(rng.choices(b"abcdefgh ", k=400))]
    for _ in range(30):
        changed = bytearray(texts[0])
        for _ in range(rng.randrange(1, 30)):
            changed[rng.randrange(400)] = ord("x")
        texts.append(bytes(changed))
    told = likeness(signatures_of(texts), 0, np.arange(len(texts)))

    assert told[0] == 1.0
    for text, estimate in zip(texts, told, strict=True):
        # Four standard deviations.
        assert abs(estimate - exact_likeness(texts[0], text)) < 0.18


def test_texts_that_are_handed_in_together_do_not_run_into_each_other() -> None:
    alone = [signatures_of([text])[0].tolist() for text in (b"first text", b"x", b"the third")]

    assert signatures_of([b"first text", b"x", b"the third"]).tolist() == alone


def test_variants_of_many_texts_are_each_found() -> None:
    rng = random.Random(1)
    texts: list[str] = []
    for _ in range(300):
        text = " ".join(f"{rng.choice('bcdfg')}{rng.randrange(10_000)}" for _ in range(20))
        texts += [text, f"{text} thanks"]
    found = groups(*texts)

    assert found[0::2] == found[1::2]
    assert len(set(found)) == 300


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_a_group_is_what_hangs_together_and_is_named_by_its_smallest(joins: list[tuple[int, int]]) -> None:
    union = Union(20)
    for one, other in joins:
        union.join(one, other)
    reachable = {number: {number} for number in range(20)}
    for one, other in joins:
        together = reachable[one] | reachable[other]
        for member in together:
            reachable[member] = together

    assert [union.find(number) for number in range(20)] == [min(reachable[number]) for number in range(20)]
