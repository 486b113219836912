"""How pages write numbers, times, ids and JSON. Pure; each is a filter of the templates."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from toolhone.models import Json

NOTHING = "\N{EN DASH}"
"""Where there is no figure."""

LONGEST = 20_000
"""Characters of one block of somebody else's text that are shown."""


def number(value: float | None) -> str:
    """1234567 -> 1,234,567."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.3g}"


def compact(value: float | None) -> str:
    """A number of at most four characters and its unit: 1,234,567 -> 1.23 M."""
    if value is None or not math.isfinite(value):
        return NOTHING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,950 would be written 1000 k.
        if abs(value) >= size * 0.9995 and (abs(value) >= 10_000 or size > 1e3):
            return f"{value / size:.3g} {unit}"
    return number(value)


def milliseconds(value: float | None) -> str:
    """0.4 ms, 12 ms, 1.24 s, 3 min 20 s."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0 ms"
    if value < 10:
        return f"{value:.1f} ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    if value < 59_950:
        return f"{value / 1000:.3g} s"
    return duration(value / 1000)


def duration(seconds: float | None) -> str:
    """The two largest units: 45 s, 3 min 20 s, 2 h 5 min, 4 d 1 h."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def percent(share: float | None, digits: int = 0) -> str:
    """0.125 -> 13%; what is not nothing is not written as 0%, nor what is not all as 100%."""
    if share is None or not math.isfinite(share):
        return NOTHING
    least = 10.0**-digits
    value = share * 100
    if 0 < value < least / 2:
        return f"<{least:.{digits}f}%"
    if 100 - least / 2 < value < 100:
        return f">{100 - least:.{digits}f}%"
    return f"{value:.{digits}f}%"


def usd(value: float | None) -> str:
    """Dollars, with as many digits as small sums need."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"${value:,.2f}" if value == 0 or abs(value) >= 0.01 else f"${value:.2g}"


def most_usd(value: float | None) -> str:
    """Dollars of a bound: rounded up, since it must not say less than may be paid."""
    if value is None or not math.isfinite(value):
        return NOTHING
    digits = 2 if value == 0 or value >= 1 else 4
    # What is written exactly must not grow by the error of its binary form.
    return f"${math.ceil(round(value * 10**digits, 6)) / 10**digits:,.{digits}f}"


def size(count: float | None) -> str:
    """Bytes: 512 B, 12.3 kB, 4.5 MB."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def clock(timestamp: str | None) -> str:
    """The time of day of an ISO timestamp, with milliseconds: 10:48:03.512."""
    return NOTHING if not timestamp else timestamp[11:23].partition("+")[0]


def date(timestamp: str | None) -> str:
    """The day of an ISO timestamp."""
    return NOTHING if not timestamp else timestamp[:10]


def stamp(timestamp: str | None) -> str:
    """An ISO timestamp for people, to the second: 2026-11-23 10:48:03."""
    return NOTHING if not timestamp else timestamp[:19].replace("T", " ")


def brief(timestamp: str | None) -> str:
    """An ISO timestamp where the year goes without saying: Nov 23 10:48:03."""
    if not timestamp:
        return NOTHING
    moment = datetime.fromisoformat(timestamp)
    return f"{moment:%b} {moment.day} {moment:%H:%M:%S}"


def ago(timestamp: str | None, now: datetime | None = None) -> str:
    """How long ago an ISO timestamp was, in its largest unit; or in how long it will be."""
    if not timestamp:
        return NOTHING
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return timestamp
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    length = abs(seconds)
    for unit_seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if length >= unit_seconds:
            told = f"{length // unit_seconds:.0f} {unit}"
            break
    else:
        if length < 5:
            return "now"
        told = f"{length:.0f} s"
    return f"{told} ago" if seconds > 0 else f"in {told}"


def short_id(identifier: str | None) -> str:
    """The end of an id tells rows apart; its beginning is the time."""
    return NOTHING if not identifier else identifier[-8:]


def pretty(value: Json) -> str:
    """JSON for people; a text stands as it is. What would be endless is cut, and the page says so."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    left = len(text) - LONGEST
    return text if left <= 0 else f"{text[:LONGEST]}\n… {left:,} more characters"


def segment(value: str) -> str:
    """A text as one part of a path."""
    return quote(value, safe="", errors="replace")


def query(values: Mapping[str, Json], **changes: Json) -> str:
    """The query of an address, with these changes; what is empty is left out."""
    merged = {**values, **changes}
    pairs = [(key, str(value)) for key, value in merged.items() if value not in (None, "", False)]
    return "?" + urlencode(pairs, errors="replace")


def first_line(text: str | None) -> str:
    """The first line that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


FILTERS: Mapping[str, Callable[..., str]] = {
    "number": number,
    "compact": compact,
    "milliseconds": milliseconds,
    "duration": duration,
    "percent": percent,
    "usd": usd,
    "most_usd": most_usd,
    "size": size,
    "clock": clock,
    "date": date,
    "stamp": stamp,
    "ago": ago,
    "brief": brief,
    "short_id": short_id,
    "pretty": pretty,
    "segment": segment,
    "query": query,
    "first_line": first_line,
}
