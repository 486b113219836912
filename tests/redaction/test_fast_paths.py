"""Looking first whether there can be anything to find changes nothing of what is found."""

import string
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json
from toolhone.redaction import shapes, tree
from toolhone.redaction.assignments import find_assignments
from toolhone.redaction.figures import find_figures
from toolhone.redaction.identities import find_named, find_numbers, names_identities
from toolhone.redaction.keys import names_secrets
from toolhone.redaction.layouts import find_laid_out
from toolhone.redaction.placeholders import Kind, Span

alnum = st.text(string.ascii_letters + string.digits, min_size=1, max_size=40)
triggers = st.sampled_from(
    [trigger for shape in (*shapes._SHAPES, *shapes._TOKENS) for trigger in shape.triggers]
)
pieces = st.sampled_from(
    [*" \n:=-_./|,;\"'", "SSN ", "PESEL: ", "steuer-id ", "44051401359", "756.", "12 34 56 C", "AB"]
)
words = st.sampled_from(
    [
        "passwort",
        "contraseña",
        "Kennwort",
        "apiKey",
        "sig",
        "pin",
        "tel",
        "PGPASSWORD",
        "client_secret",
        "\u212aey",
        "SID",
    ]
)
texts = st.lists(triggers | alnum | pieces | words, max_size=12).map("".join)


def _every_shape(text: str) -> Iterator[Span]:
    for shape in (*shapes._SHAPES, *shapes._TOKENS):
        if not any(trigger in text for trigger in shape.triggers):
            continue
        for match in shape.pattern.finditer(text):
            if shape.condition is None or shape.condition(match):
                yield Span(*match.span(shape.group), shape.kind)


@settings(deadline=None, max_examples=200)
@given(texts)
def test_shapes_are_found_as_if_each_were_tried(text: str) -> None:
    assert sorted(shapes.find_shapes(text)) == sorted(_every_shape(text))


@settings(deadline=None, max_examples=150)
@given(texts)
def test_a_text_that_names_no_secret_has_none_behind_a_name(text: str) -> None:
    if not names_secrets(text):
        assert [*find_assignments(text), *find_laid_out(text)] == []
    if not names_identities(text):
        assert list(find_named(text)) == []


@settings(deadline=None, max_examples=150)
@given(texts)
def test_identities_are_found_in_pieces_as_in_the_whole(text: str) -> None:
    in_pieces = {span for span in find_figures(text, version=False) if span.kind is Kind.NATIONAL_ID}

    assert in_pieces == {
        *find_numbers(text, 0, len(text)),
        *(find_named(text) if names_identities(text) else ()),
    }


def test_the_labelled_set_is_found_as_if_each_were_tried(labelled_values: list[Json]) -> None:
    for text in (value for value in labelled_values if isinstance(value, str)):
        assert sorted(shapes.find_shapes(text)) == sorted(_every_shape(text))
        assert names_secrets(text) or [*find_assignments(text), *find_laid_out(text)] == []


@settings(deadline=None)
@given(texts)
def test_a_key_is_judged_alike_with_and_without_the_memory(key: str) -> None:
    remembered = tree._judged(key)

    assert remembered is None or remembered == tree.Redactor(tree._unnumbered)._key(key, 1)
