"""Blocks are found with their excuses, and what is shown is compared as pages mean it."""

from pathlib import Path

import pytest

from documentation.blocks import Step, as_shown, blocks, steps

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
