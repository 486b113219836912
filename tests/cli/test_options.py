"""Tables: one line a row, all columns, within the width."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from toolhone.cli.options import coloured, table
from toolhone.cli.plain import first_line, harmless

HEADINGS = ["tool", "source", "what it does"]
CELLS = st.text(max_size=60).map(first_line)


def lines_of(rows: list[list[str]], width: int) -> list[str]:
    console = Console(width=width, markup=False, highlight=False, record=True, quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        made = table(HEADINGS, rows, shorten=["what it does", "source"])
    with console.capture() as captured:
        console.quiet = False
        console.print(made)
    return captured.get().splitlines()


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(st.from_regex(r"[a-z0-9_]{1,50}", fullmatch=True), CELLS, CELLS).map(list), max_size=5
    )
)
def test_every_row_is_one_line_that_fits(rows: list[list[str]]) -> None:
    lines = lines_of(rows, 80)

    assert len(lines) == len(rows) + 1
    assert all(Console().measure(line).maximum <= 80 for line in lines if line.strip())
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.startswith(row[0])


def test_columns_give_way_in_turn() -> None:
    row = ["n" * 50, "s" * 30, "d" * 100]

    assert lines_of([row], 200)[1].split() == [*row[:2], "d" * 100]
    name, source, description = lines_of([row], 100)[1].split()
    assert (name, source) == (row[0], row[1])
    assert description.endswith("…")
    name, source, description = lines_of([row], 80)[1].split()
    assert (len(name), source[-1], description[-1]) == (50, "…", "…")


def test_a_colour_does_not_count_as_width() -> None:
    made = table(["state"], [[coloured("ready", "green")]], shorten=[])

    assert Console(width=80).measure(made).maximum == len("ready")


def test_text_of_others_keeps_its_lines_and_loses_what_a_terminal_obeys() -> None:
    assert harmless("a\x1b[31mb\r\nc\td\x9be\u202e") == "a [31mb\nc       d e "
    assert first_line("\n  one\ntwo") == "one"
    assert first_line("") == ""
