"""The index of a catalog as a file: taken up at the next start, also by a catalog that changed meanwhile."""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata, resources
from sys import version

import numpy as np

from toolhone.exceptions import DamagedStorageError, StorageError
from toolhone.models import ToolDefinition
from toolhone.selection.blocks import Blocks, joined, of_part
from toolhone.selection.corpus import IDENTITY, Corpus, Hashes
from toolhone.selection.index import IndexParts, ToolIndex
from toolhone.selection.naming import ToolNames
from toolhone.selection.text_vectors import TextVectors
from toolhone.stores import IndexStore

logger = logging.getLogger(__name__)

STORED_FROM = 1000
"""Smaller catalogs are read as fast as a file of theirs would be."""

CHANGED_SHARE = 0.02
"""A file is written again when so much of it has changed. Before, a start reads the little that is new."""


def build_index(
    definitions: Sequence[ToolDefinition], previous: ToolIndex | None, store: IndexStore | None
) -> ToolIndex:
    """The index of this catalog, from the one before or from the file that knows most of it.

    Blocking. A file that cannot be used costs time, never an answer; the index's notices then say so.
    """
    if store is None or len(definitions) < STORED_FROM or _knows_half(previous, definitions):
        return ToolIndex(definitions, previous)
    notices: list[str] = []
    index = ToolIndex(definitions, lambda identities: _best(identities, store, notices))
    index.notices = tuple(notices)
    return index


def save_index(index: ToolIndex, store: IndexStore) -> bool:
    """Write the index, if it is large and differs enough from the file it came from.

    Returns whether it was written. Blocking.
    """
    parts = index.parts
    if len(index) < STORED_FROM or (parts.stored_as is not None and index.news <= CHANGED_SHARE * len(index)):
        return False
    name = _name(parts.tools.identities)
    try:
        store.save(name, _blocks(parts), instead_of=parts.stored_as)
    except StorageError as error:
        logger.warning("The index is not kept, so the next start builds it again: %s", error)
        return False
    index.stored(name)
    return True


def _knows_half(previous: ToolIndex | None, definitions: Sequence[ToolDefinition]) -> bool:
    if previous is None:
        return False
    return 2 * sum(definition.name in previous.positions for definition in definitions) >= len(definitions)


def _best(identities: Hashes, store: IndexStore, notices: list[str]) -> IndexParts | None:
    """What can be taken up for these tools."""
    for name in _candidates(identities, store, notices):
        found = _opened(store, name, None, notices)
        if found is None:
            continue
        try:
            return _parts(name, found)
        except (KeyError, ValueError) as error:
            # Its hashes are right, so it was written so: by a program that errs, or by no toolhone at all.
            notices.append(f"The index file {name!r} is not one of toolhone ({error}). It is built anew.")
            logger.warning("%s", notices[-1])
    return None


def _candidates(identities: Hashes, store: IndexStore, notices: list[str]) -> list[str]:
    """The files that know some of these tools, the one that knows most first."""
    names = [name for name in store.names() if name.startswith(f"{_reading()}-")]
    exact = _name(identities)
    if exact in names:
        return [exact, *(name for name in names if name != exact)]
    known: dict[str, int] = {}
    for name in names:
        found = _opened(store, name, ("tools.identities",), notices) or {}
        stored = np.frombuffer(found.get("tools.identities", b""), IDENTITY)
        known[name] = int(np.isin(identities, stored).sum())
    return sorted((name for name in names if known[name]), key=lambda name: -known[name])


def _opened(
    store: IndexStore, name: str, only: tuple[str, ...] | None, notices: list[str]
) -> dict[str, memoryview] | None:
    try:
        return store.open(name, only)
    except DamagedStorageError as error:
        logger.warning("%s", error.message)
        notices.append(error.message)
    except StorageError as error:
        logger.info("%s", error.message)
    return None


def _parts(name: str, stored: Mapping[str, memoryview]) -> IndexParts:
    """Read what `_blocks` wrote.

    Raises:
        KeyError: A block is missing.
        ValueError: Blocks do not fit together.
    """
    tools = Corpus.from_blocks(of_part("tools", stored))
    servers = Corpus.from_blocks(of_part("servers", stored))
    about = json.loads(bytes(stored["about"]))
    return IndexParts(
        tools,
        servers,
        ToolNames.from_blocks(of_part("names", stored), len(tools)),
        TextVectors.from_blocks(of_part("tool_vectors", stored), tools.digests, about["dimensions"]),
        TextVectors.from_blocks(of_part("server_vectors", stored), servers.digests, about["dimensions"]),
        about["encoder"],
        name,
    )


def _blocks(parts: IndexParts) -> Blocks:
    about = {"encoder": parts.encoder, "dimensions": parts.tool_vectors.dimensions or 0}
    written: Blocks = {"about": [memoryview(json.dumps(about).encode())]}
    return written | joined(
        {
            "tools": parts.tools.to_blocks(),
            "servers": parts.servers.to_blocks(),
            "names": parts.names.to_blocks(),
            "tool_vectors": parts.tool_vectors.to_blocks(),
            "server_vectors": parts.server_vectors.to_blocks(),
        }
    )


def _name(identities: Hashes) -> str:
    return f"{_reading()}-{hashlib.sha256(identities.tobytes()).hexdigest()[:16]}"


@cache
def _reading() -> str:
    """Stands for everything but the tools that an index depends on.

    The code that reads tools, the stemmer and Unicode's tables: an index that was made by others is not taken
    up, and nobody has to think of raising a number when the code changes.
    """
    read = hashlib.sha256()
    package = resources.files("toolhone.selection")
    for module in ("blocks", "corpus", "lexical", "matrix", "naming", "text", "text_vectors"):
        read.update((package / f"{module}.py").read_bytes())
    read.update(f"{version} {metadata.version('PyStemmer')} {unicodedata.unidata_version}".encode())
    return read.hexdigest()[:12]
