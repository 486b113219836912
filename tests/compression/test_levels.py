"""Every level shows what it promises and says what it leaves out."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.compression.levels import LEFT_OUT, Level
from toolhone.compression.purposes import first_sentence, purpose
from toolhone.compression.rendering import render, render_each
from toolhone.compression.signatures import decompress
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject

Generated = Callable[[int, int], list[JsonObject]]
SEEDS = st.integers(0, 2**32)
PROPERTY = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_types_shows_the_structure_and_one_line_of_prose(library: list[JsonObject]) -> None:
    block = render(library[:1], Level.TYPES).blocks[0]

    assert block == (
        "## find_books !\n"
        "Find books by words of their title\n"
        ' words str(2..), branch? <harbour "old town" north>, limit? int(1..50)=10, '
        "filters? {language?, years? int[](..2), medium <print audio large-print>}!"
    )


def test_brief_adds_a_first_sentence_to_each_parameter(library: list[JsonObject]) -> None:
    text = render(library, Level.BRIEF).text

    assert "The branch of the library." in text
    assert "Every branch has" not in text


def test_index_has_a_name_and_few_words_on_a_line(library: list[JsonObject]) -> None:
    rendered = render(library, Level.INDEX)

    assert rendered.preamble == f"~ {LEFT_OUT[Level.INDEX]}"
    assert rendered.blocks[2] == "block_card: Block lost card"
    assert all(len(block.split(": ", 1)[1].split()) <= 8 for block in rendered.blocks)


def test_names_are_names(library: list[JsonObject]) -> None:
    assert render(library, Level.NAMES).blocks == ("find_books", "lend_book", "block_card")


def test_seed_keeps_the_cut_form(library: list[JsonObject]) -> None:
    block = render(library[2:], Level.SEED).blocks[0]

    assert block.startswith(
        '{"n":"block_card","d":"Block a lost card.","p":{"card":{"t":"string","d":"The number on'
    )
    assert block.endswith('"r":["card"]}')


@pytest.mark.parametrize("level", [level for level in Level if LEFT_OUT[level]])
def test_a_lossy_level_says_what_it_leaves_out(library: list[JsonObject], level: Level) -> None:
    assert f"~ {LEFT_OUT[level]}" in render(library, level, legend=False).preamble.split("\n")


def test_only_the_marks_that_occur_are_explained(library: list[JsonObject]) -> None:
    plain: JsonObject = {
        "name": "ping",
        "description": "100% alive? & well <a b>",
        "inputSchema": {"type": "object"},
    }

    assert render([plain], Level.FULL).preamble == ""
    assert "one of these" in render(library, Level.FULL).preamble
    assert "//" not in render(library, Level.FULL, legend=False).preamble


def test_the_same_tools_give_the_same_text_in_every_process(library: list[JsonObject]) -> None:
    script = (
        "import json,sys\n"
        "from toolhone.compression.rendering import render\n"
        "from toolhone.compression.levels import Level\n"
        "sys.stdout.write(render(json.load(sys.stdin), Level.FULL).text)"
    )
    listing = render(library, Level.JSON).text.replace("\n", ",")
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=f"[{listing}]",
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }

    assert texts == {render(library, Level.FULL).text}


def test_a_changed_tool_is_not_answered_from_the_cache(library: list[JsonObject]) -> None:
    before = render(library, Level.FULL)
    library[0]["description"] = "Something else."

    assert render(library, Level.FULL).blocks[0] != before.blocks[0]
    assert decompress(render(library, Level.FULL).text)[0]["description"] == "Something else."


def test_each_tool_at_a_level_of_its_own(library: list[JsonObject]) -> None:
    rendered = render_each(library, [Level.FULL, Level.TYPES, Level.INDEX])

    heads = [block.partition("\n")[0] for block in rendered.blocks]
    assert heads[0].startswith("## find_books [read-only")
    assert heads[1:] == ["## lend_book ! ~", "## block_card ~~ Block lost card"]
    assert "~: texts and output left out" in rendered.preamble
    with pytest.raises(SignatureError, match="lossy"):
        decompress(rendered.text)


def test_whole_tools_beside_each_other_read_back(library: list[JsonObject]) -> None:
    rendered = render_each(library, [Level.FULL, Level.JSON, Level.FULL])

    assert decompress(rendered.text) == library


def test_a_preamble_holds_only_what_the_shown_blocks_use(library: list[JsonObject]) -> None:
    rendered = render_each(library, [Level.FULL, Level.NAMES, Level.NAMES])

    assert "&" not in rendered.preamble
    assert "card" not in rendered.preamble


@PROPERTY
@given(seed=SEEDS, data=st.data())
def test_any_mix_of_levels_has_one_block_a_tool(generated: Generated, seed: int, data: st.DataObject) -> None:
    tools = generated(seed, 5)
    levels = data.draw(st.lists(st.sampled_from(list(Level)), min_size=5, max_size=5))

    rendered = render_each(tools, levels)

    assert len(rendered.blocks) == 5
    assert rendered.text.encode()


def _facts(schema: Json) -> Iterator[tuple[str, str]]:
    """Every type, enum value and required name of a schema, wherever a schema may stand."""
    if not isinstance(schema, dict):
        return
    found = cast("JsonObject", schema)
    kinds = found.get("type")
    for kind in cast("list[Json]", kinds if isinstance(kinds, list) else [kinds]):
        if isinstance(kind, str):
            yield "type", kind
    for key in ("enum", "required"):
        values = found.get(key)
        for value in cast("list[Json]", values if isinstance(values, list) else []):
            yield key, repr(value)
    for key in ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"):
        if isinstance(found.get(key), dict):
            for part in cast("JsonObject", found[key]).values():
                yield from _facts(part)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(found.get(key), list):
            for part in cast("list[Json]", found[key]):
                yield from _facts(part)
    for key in ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"):
        yield from _facts(found.get(key))


@PROPERTY
@given(seed=SEEDS, level=st.sampled_from([Level.TYPES, Level.BRIEF]))
def test_no_type_enum_value_or_required_name_is_lost(generated: Generated, seed: int, level: Level) -> None:
    tools = generated(seed, 3)
    text = render(tools, level, legend=False).text.removeprefix(f"~ {LEFT_OUT[level]}\n")

    for before, after in zip(tools, decompress(text), strict=True):
        assert set(_facts(before["inputSchema"])) <= set(_facts(after["inputSchema"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("This tool lists the open loans of a reader. More.", "Lists open loans of reader"),
        ("# Heading\n\n**Reserve** a book, e.g. for a friend. Then", "Reserve book, e.g. for friend"),
        (
            "Show the shelves of every branch, including those that are closed today",
            "Show shelves of every branch",
        ),
        ("", ""),
        ("日本", "日本"),
    ],
)
def test_a_purpose_is_a_short_phrase(text: str, said: str) -> None:
    assert purpose(text, 7) == said


def test_a_first_sentence_ends_where_it_ends() -> None:
    assert first_sentence("The limit, e.g. 10. At most 50.") == "The limit, e.g. 10."
    assert first_sentence("  \n\nVersion 1.2 of it") == "Version 1.2 of it"
