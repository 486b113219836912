"""The first line of a text, for a place that has room for one."""


def first_line(text: str, *, most: int) -> str:
    """At most so many characters; what was left out of a longer line is an ellipsis."""
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"
