"""A time that somebody wrote, in the one spelling in which rows have theirs. Pure."""

from datetime import UTC, datetime

from toolhone.exceptions import InvalidRequestError


def moment(field: str, text: str | None) -> str | None:
    """The time in the spelling of the rows, whose order is that of the moments. One without a zone is UTC.

    Raises:
        InvalidRequestError: It is no time; the message names the field.
    """
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as exc:  # in UTC it may be before the year 1
        raise InvalidRequestError(
            f"{field!r} is not a time: {text!r}. Write it like 2026-01-31 or 2026-01-31T12:00:00+00:00."
        ) from exc
    return parsed.isoformat(timespec="microseconds")
