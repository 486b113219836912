"""What was found out of definitions and texts before, so that it is not found out again.

Most questions are answered with tools that were shown before. That a definition can be written, and that a
text reads back as it, follows from both alone.
"""

import hashlib
import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_MOST = 8_192
"""About 200 bytes each."""


class Proven:
    """Yes or no by digest, the newest of them. Any thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, bool] = OrderedDict()

    def of(self, key: bytes | None, found_out: Callable[[], bool]) -> bool:
        """What was found out under this key, or is now; `None` is no key, and nothing is kept.

        What `found_out` raises is kept neither.
        """
        if key is None:
            return found_out()
        with self._lock:
            known = self._found.get(key)
            if known is not None:
                self._found.move_to_end(key)
                return known
        found = found_out()
        with self._lock:
            self._found[key] = found
            if len(self._found) > self._most:
                self._found.popitem(last=False)
        return found


def digest(*values: Any) -> bytes | None:
    """What plain data is known by, in the order of its keys; `None` where it is no plain data."""
    try:
        # Version 2 has no references between equal objects, so equal values give equal bytes.
        data = marshal.dumps(values, 2)
    except ValueError:
        return None
    return hashlib.sha256(data).digest()
