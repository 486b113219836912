"""Text that servers and tools wrote, made fit for a terminal. Pure."""


def harmless(text: str) -> str:
    """The text without what a terminal would obey; its lines stay."""
    return "\n".join(
        "".join(character if character.isprintable() else " " for character in line)
        for line in text.expandtabs().splitlines()
    )


def first_line(text: str) -> str:
    return harmless(next(iter(text.strip().splitlines()), ""))
