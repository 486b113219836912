"""What people type into forms and addresses: read as it is meant, or refused with what would do."""

from collections.abc import Collection

from toolhone.exceptions import InvalidRequestError

MOST_DIGITS = 18
"""More are no number that anybody means, and cost time to read."""


def whole_number(text: str, what: str, *, most: int) -> int | None:
    """A whole number from 1 on; `None` if nothing is typed.

    Raises:
        InvalidRequestError: It is something else, or more than `most`.
    """
    typed = text.strip()
    if not typed:
        return None
    number = int(typed) if typed.isdecimal() and len(typed) <= MOST_DIGITS else 0
    if not 1 <= number <= most:
        raise InvalidRequestError(
            f"{typed[:40]!r} is no number of {what}; write a whole number from 1 to {most:,}, or nothing."
        )
    return number


def one_of(choices: Collection[str], chosen: str, what: str) -> str:
    """What was chosen; empty if nothing was.

    Raises:
        InvalidRequestError: There is no such choice.
    """
    if chosen and chosen not in choices:
        known = ", ".join(choice for choice in choices if choice)
        raise InvalidRequestError(f"There is no {what} {chosen[:40]!r}; there are {known}.")
    return chosen
