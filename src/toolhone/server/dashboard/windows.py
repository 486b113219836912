"""How far back the pages look that tell of calls, as it can be chosen."""

from datetime import timedelta

WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
