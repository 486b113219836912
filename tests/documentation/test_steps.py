"""Blocks are found with their excuses, and what is shown is compared as pages mean it."""

from pathlib import Path

import pytest

from documentation.blocks import Block, Step, UnknownNoteError, as_shown, blocks, steps
from documentation.shell import Shell
from documentation.treatment import Treatment, treatment

PAGE = """\
# A page

```sh
one
```

- in a list
  <!-- not run: it is yours -->
  ```console
  $ two \\
  > more
  said
  $ three
  ```
"""


def test_blocks_are_found_with_their_place_and_their_excuse(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    first, second = blocks(page)

    assert (first.line, first.language, first.text, first.excuse) == (3, "sh", "one\n", None)
    assert (second.line, second.language, second.excuse) == (9, "console", "it is yours")
    assert list(steps(first)) == [Step(script="one\n", shown=None)]
    assert list(steps(second)) == [Step(script="two \\\nmore", shown="said"), Step(script="three", shown="")]


def block(text: str, language: str = "sh", **notes: str) -> Block:
    return Block(page=Path("docs/page.md"), line=1, language=language, text=text, **notes)


def test_what_comments_say_is_read_with_the_block_behind_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- before:\none\n  two\n-->\n<!-- after: three -->\n```sh\nfour\n```\n<!-- a remark -->\n\n"
    )

    (found,) = blocks(page)

    assert (found.line, found.before, found.after, found.excuse) == (6, "one\n  two", "three", None)


def test_a_comment_that_is_misspelled_is_no_excuse(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- nor run: it is long -->\n```sh\nfour\n```\n")

    with pytest.raises(UnknownNoteError, match=r"page\.md:2: .*nor run"):
        list(blocks(page))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (block("ls"), Treatment.RUN),
        (block("1", "json"), Treatment.READ),
        (block("GET /", "http"), None),
        (block("GET /", "http", reader="tests/test_docs.py::test_x"), Treatment.READ),
        (block("GET /", "http", excuse="it needs Docker"), Treatment.EXCUSED),
        (block("ls", excuse="it trains for long; an hour"), Treatment.EXCUSED),
        (block("ls", excuse="nobody had the time"), None),
        (block("ls", excuse=""), None),
    ],
)
def test_a_block_is_treated_or_has_an_excuse_that_counts(one: Block, expected: Treatment | None) -> None:
    assert treatment(one, set()) is expected


def test_names_that_are_set_stand_for_their_values_and_whoever_is_asked_says_yes(tmp_path: Path) -> None:
    typed = Shell(tmp_path).type(
        [
            block("echo ID $ID IDS x=ID", before="ID=seven", after="test -d $HOME"),
            block("$ echo ID\nseven\n$ read -r said; echo $said\nno", "console"),
        ]
    )

    assert typed.code == 0, typed.printed
    assert "seven seven IDS x=seven\n" in typed.printed
    assert len(typed.wrong) == 1 and "echo $said\ny" in typed.wrong[0]


def test_a_page_that_fails_on_its_way_fails(tmp_path: Path) -> None:
    assert Shell(tmp_path).type([block("true", after="test -e nowhere"), block("true")]).code == 1


@pytest.mark.parametrize(
    ("said", "shown", "same"),
    [
        ("a 12 b\n", "a … b", True),
        ("a 12 c\n", "a … b", False),
        ("a  \nb\n", "a\nb", True),
        ("a\nx\ny\nb\n", "a\n…\nb", True),
        ("a\nb\n", "a\n…\nb", True),
        ("a\n", "a\nb", False),
        ("a\nb\n", "a", False),
        ("", "", True),
        ("a\n", "", False),
        ("aXb\n", "a.b", False),
    ],
)
def test_what_is_said_is_what_is_shown(said: str, shown: str, same: bool) -> None:
    assert as_shown(said, shown) is same
