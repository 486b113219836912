"""Characters that a reader does not see but a model reads: found, taken out, or made visible. Pure.

Text by strangers can carry instructions in them: tag characters and variation selectors spell sentences,
bidirectional controls show a line in another order than it has, a terminal obeys control characters. Joiners
and the selector of emoji are left where writing needs them: one at a time, behind a sign that is not ASCII.
"""

import re
import unicodedata
from collections import Counter

_ALWAYS = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls but tab, line feed and carriage return
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U0001bca0-\U0001bca3"
)
_JOINERS = "\u200c\u200d"
_EMOJI = "\ufe0f"
"""Asks for the sign before it as an emoji."""

_SUSPECT = re.compile(f"[{_ALWAYS}{_JOINERS}{_EMOJI}]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSEEN = re.compile(
    f"[{_ALWAYS}]"
    f"|(?:(?<![^\x00-\x7f])|(?<=[{_JOINERS}{_ALWAYS}]))[{_JOINERS}]"
    f"|(?:(?<![^\x00-\x7f])|(?<=[{_JOINERS}{_EMOJI}{_ALWAYS}])){_EMOJI}"
)
"""Slow: to be used where there is something suspect."""


def _suspect(text: str) -> bool:
    return (_CONTROLS if text.isascii() else _SUSPECT).search(text) is not None


def without_unseen(text: str) -> str:
    """The text as a reader sees it."""
    return _UNSEEN.sub("", text) if _suspect(text) else text


def with_unseen_shown(text: str) -> str:
    """The text with each character that is not seen as its code point, as in `⟨U+202E⟩`."""
    if not _suspect(text):
        return text
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def unseen_in(text: str) -> list[str]:
    """What of the text is not seen, most frequent first, as in `U+202E RIGHT-TO-LEFT OVERRIDE (2)`."""
    if not _suspect(text):
        return []
    counts = Counter(_UNSEEN.findall(text))
    return [f"{_named(one)} ({count})" for one, count in counts.most_common()]


def _named(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' {name}' if name else ''}"
