"""What of the selector needs numpy, which would cost each start of the server 0.1 s and 20 MB: imported late.

All of it blocks, and is for worker threads.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolhone.models import ToolDefinition
from toolhone.selection.encoder import Encoder
from toolhone.stores import IndexStore, VectorStore

if TYPE_CHECKING:
    from toolhone.selection.index import ToolIndex
    from toolhone.selection.vectors import VectorSource


def build(
    tools: Sequence[ToolDefinition],
    previous: "ToolIndex | None",
    open_indexes: Callable[[], IndexStore] | None,
) -> "ToolIndex":
    """The index of these tools, of what the previous one and kept files know."""
    from toolhone.selection.stored import build_index

    return build_index(tools, previous, open_indexes() if open_indexes is not None else None)


def keep(index: "ToolIndex", open_indexes: Callable[[], IndexStore] | None) -> None:
    """Keep an index for the next start."""
    from toolhone.selection.stored import save_index

    if open_indexes is not None:
        save_index(index, open_indexes())


def vector_source(encoder: Encoder, open_store: Callable[[], VectorStore] | None) -> "VectorSource":
    """Where the vectors of tools come from."""
    from toolhone.selection.vectors import VectorSource

    return VectorSource(encoder, open_store)
