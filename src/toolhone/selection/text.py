"""What is read of a tool, and how text in any script becomes the terms of the lexical index."""

import importlib
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Protocol, cast

from toolhone.models import Json, JsonObject, ToolDefinition

TASK_CHARACTERS = 20_000
"""How much of a task is read at all; a longer one is a pasted document, not a description of work."""

TOOL_CHARACTERS = 20_000
"""The same bound for a tool, so that one absurd description cannot stall the index."""

EMBEDDED_CHARACTERS = 600
"""What is embedded of a tool's text, about 128 tokens. Twice the length changed the ranking of the training
splits of `benchmarks/selection.py` by 0.2 points and took nearly twice the time."""

VALUES_A_PARAMETER = 20
"""So many of the values that a parameter accepts are read; more are a list of countries."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

# Scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar), and Hangul, whose words carry
# particles. A word boundary cannot be seen in them, so they are indexed by characters and pairs.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_PICTURES = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_TERM = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<picture>[{_PICTURES}])|[^\W_{_UNSPACED}]+")

_ASCII_WORD = re.compile(r"[0-9a-z]+")

# Function words, and the words with which people ask for something whatever it is.
_STOP_WORDS = frozenset(
    """
    a about am an and any are as at be been but by can could did do does doing for from had has have he her
    here him his how i if in into is it its just let like may me might must my need no not of on or our please
    she should so some than that the their them then there these they this those to us want was we were what
    when where which who whom whose why will with would you your
    """.split()  # noqa: SIM905 - one line a word would be a page
)


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


class _StemmerLibrary(Protocol):
    """PyStemmer, which is not typed."""

    def Stemmer(self, algorithm: str) -> _Stemmer: ...


def well_formed(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def split_name(name: str) -> list[str]:
    """The words of an identifier: `getHTTPResponse2`, `get_http-response.2` and such."""
    spaced = _DIGITS.sub(" ", _HUMP.sub(" ", name))
    return [word for word in re.split(r"[\W_]+", spaced) if word]


def tool_text(definition: ToolDefinition) -> str:
    """What is indexed for a tool: its name as words, its description, its parameters and what they say.

    The values that parameters may take come last, so that they never push anything else out. Of a downstream
    tool the server's own names are read: the exposed one may be shortened.
    """
    name = definition.original_name or definition.name
    words = " ".join([*split_name(definition.server or ""), *split_name(name)])
    parts = (words, definition.description.strip(), ", ".join(_parameters(definition.input_schema)))
    parts = (*parts, ", ".join(_values(definition.input_schema)))
    return well_formed(". ".join(part for part in parts if part)[:TOOL_CHARACTERS])


def embedded_text(text: str) -> str:
    """The beginning of a tool's text, which is what its vector stands for."""
    return text if len(text) <= EMBEDDED_CHARACTERS else text[:EMBEDDED_CHARACTERS].rsplit(maxsplit=1)[0]


def terms(text: str) -> list[str]:
    """The terms of a text in reading order: folded words without stop words, English ones stemmed.

    Accents are dropped. Runs of a script without spaces give each character and each pair of
    neighbours, so that a query finds them wherever the words begin.
    """
    return list(_terms(text))


def term_counts(text: str) -> Mapping[str, int]:
    """How often each term occurs."""
    return Counter(_terms(text))


def _terms(text: str) -> Iterator[str]:
    folded = _folded(_HUMP.sub(" ", text))
    if folded.isascii():
        # Nothing but words, which most texts are: a third of the time.
        yield from (_stem(word) for word in _ASCII_WORD.findall(folded) if word not in _STOP_WORDS)
        return
    for match in _TERM.finditer(folded):
        word = match.group()
        if match.lastgroup == "unspaced":
            yield from word
            yield from (word[start : start + 2] for start in range(len(word) - 1))
        elif match.lastgroup == "picture":
            yield word
        elif word not in _STOP_WORDS:
            yield _stem(word)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(character for character in decomposed if unicodedata.category(character)[0] != "M")
    return unicodedata.normalize("NFC", bare).casefold()


def _parameters(schema: JsonObject) -> Iterator[str]:
    properties: Json = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for name, parameter in cast("JsonObject", properties).items():
        about: Json = (
            cast("JsonObject", parameter).get("description") if isinstance(parameter, dict) else None
        )
        yield " ".join([*split_name(name), *([about] if isinstance(about, str) else [])])


def _values(schema: JsonObject) -> Iterator[str]:
    """The words that parameters accept: the enums, also one level down."""
    properties: Json = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for parameter in cast("JsonObject", properties).values():
        for place in (parameter, _member(parameter, "items")):
            values = _member(place, "enum")
            if isinstance(values, list):
                words = [value for value in cast("list[Json]", values) if isinstance(value, str)]
                yield from (" ".join(split_name(word)) for word in words[:VALUES_A_PARAMETER])


def _member(value: Json, name: str) -> Json:
    return cast("JsonObject", value).get(name) if isinstance(value, dict) else None


_stemming = threading.Lock()


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    if not word.isascii() or word.isdigit():
        return word
    # A Snowball stemmer keeps state between calls, and queries and indexing run in several threads.
    with _stemming:
        return _stemmer().stemWord(word)


@cache
def _stemmer() -> _Stemmer:
    library = cast("_StemmerLibrary", importlib.import_module("Stemmer"))
    return library.Stemmer("english")
