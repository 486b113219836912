"""Curves drawn in a terminal with braille dots: two by four in each cell. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a cell, by row and column."""
_BLANK = 0x2800


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing, line by line; each cell with the number of the curve that it belongs to."""

    lines: tuple[str, ...]
    owners: tuple[tuple[int | None, ...], ...]
    """Where curves share a cell it belongs to the last of them."""
    low: float
    high: float


def draw(curves: Sequence[Sequence[Point]], *, width: int, height: int) -> Drawn | None:
    """Draw curves over common axes, each from point to point; `None` if there is no point at all."""
    points = [point for curve in curves for point in curve]
    if not points:
        return None
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    cells = [[0] * width for _ in range(height)]
    owners: list[list[int | None]] = [[None] * width for _ in range(height)]

    def place(point: Point) -> tuple[int, int]:
        across = (point[0] - left) / (right - left) if right > left else 0.0
        up = (point[1] - low) / (high - low) if high > low else 0.5
        return round(across * (2 * width - 1)), round((1 - up) * (4 * height - 1))

    for number, curve in enumerate(curves):
        placed = [place(point) for point in sorted(curve)]
        for start, end in zip(placed, [*placed[1:], placed[-1]] if placed else [], strict=True):
            for column, row in _line(start, end):
                cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
                owners[row // 4][column // 2] = number
    return Drawn(
        lines=tuple("".join(chr(_BLANK + cell) for cell in line) for line in cells),
        owners=tuple(tuple(line) for line in owners),
        low=low,
        high=high,
    )


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots from one to the other."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (
            round(start[0] + (end[0] - start[0]) * step / steps),
            round(start[1] + (end[1] - start[1]) * step / steps),
        )
        for step in range(steps + 1)
    ]
