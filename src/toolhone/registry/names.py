"""Give downstream tools names that every model API takes: `server__tool`, 50 characters of `[a-z0-9_]`.

A tool's name depends on its server and itself alone, so it does not change when tools come, go or
change places. The one exception: two tools of a server whose names differ only in what is lost
("get-weather", "getWeather"). The one that is spelled like the result keeps it; the others, or all
if none is, get a hash of their own name. So a name changes only when a tool with the same spelling
appears or goes.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

MAX_NAME = 50
MAX_PREFIX = 20
_HASH_LENGTHS = (6, 12, 20)

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")


def server_prefixes(servers: Iterable[str]) -> dict[str, str]:
    """A short unique prefix for each server, without a double underscore."""
    return _distinct(servers, space="", room=MAX_PREFIX, empty="server")


def exposed_names(prefix: str, tools: Iterable[str]) -> dict[str, str]:
    """The name of each tool of the server with this prefix; unique if the prefixes are."""
    room = MAX_NAME - len(prefix) - len("__")
    short = _distinct(tools, space=prefix, room=room, empty="tool")
    return {tool: f"{prefix}__{name}" for tool, name in short.items()}


def plain_name(text: str) -> str:
    """The text in `[a-z0-9_]`: camel case split, accents dropped, everything else a single underscore."""
    words = _WORD_STARTS.sub("_", unicodedata.normalize("NFKD", text))
    unaccented = "".join(character for character in words if not unicodedata.combining(character))
    return _OTHER.sub("_", unaccented.lower()).strip("_")


def _distinct(originals: Iterable[str], *, space: str, room: int, empty: str) -> dict[str, str]:
    wanting: defaultdict[str, list[str]] = defaultdict(list)
    for original in dict.fromkeys(originals):
        wanting[plain_name(original)].append(original)

    names: dict[str, str] = {}
    hashed: list[tuple[str, str]] = []
    for plain, group in wanting.items():
        fits = 0 < len(plain) <= room
        for original in group:
            if fits and (len(group) == 1 or original == plain):
                names[original] = plain
            else:
                hashed.append((plain or empty, original))

    taken = set(names.values())
    for plain, original in sorted(hashed):
        candidates = (
            _with_hash(plain, original, space=space, room=room, length=length) for length in _HASH_LENGTHS
        )
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        names[original] = name
    return names


def _with_hash(plain: str, original: str, *, space: str, room: int, length: int) -> str:
    digest = hashlib.sha256(f"{space}\0{original}".encode("utf-8", "surrogatepass")).hexdigest()[:length]
    kept = plain[: max(0, room - length - 1)].rstrip("_")
    return f"{kept}_{digest}" if kept else digest[:room]
