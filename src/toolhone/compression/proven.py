"""What was proven of definitions and texts before, so that it is not proven again.

Most questions are answered with tools that were shown before. Only what is right is remembered: what is not
is rare, and may have been so for want of room.
"""

import hashlib
import marshal
import threading
from collections import OrderedDict
from typing import Any

_MOST = 8_192
"""About 200 bytes each."""


class Proven:
    """What it took to prove something, by its digest; of the newest. Any thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._spent: OrderedDict[bytes, int] = OrderedDict()

    def spent_on(self, key: bytes | None) -> int | None:
        """What was spent on the proof; `None` if there is none that is remembered."""
        if key is None:
            return None
        with self._lock:
            spent = self._spent.get(key)
            if spent is not None:
                self._spent.move_to_end(key)
            return spent

    def keep(self, key: bytes | None, *, spent: int = 0) -> None:
        """Remember that this was proven; `None` is no key, and nothing is kept."""
        if key is None:
            return
        with self._lock:
            self._spent[key] = spent
            if len(self._spent) > self._most:
                self._spent.popitem(last=False)


def digest(*values: Any) -> bytes | None:
    """What plain data is known by, in the order of its keys; `None` where it is no plain data."""
    try:
        # Version 2 has no references between equal objects, so equal values give equal bytes.
        data = marshal.dumps(values, 2)
    except ValueError:
        return None
    return hashlib.sha256(data).digest()
