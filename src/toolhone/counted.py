"""A number with its noun, as people write it."""


def counted(number: int, noun: str) -> str:
    """`1 audit row`, `2,000 audit rows`: nouns whose plural takes an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
