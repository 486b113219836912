"""docs/reference/errors.md: every error that toolhone raises on purpose, with its code and HTTP status."""

from collections.abc import Iterator

from mcp import types

from documentation.markdown import head, plain, table, text_of
from toolhone.exceptions import ToolhoneError
from toolhone.server.api.problems import status_of
from toolhone.server.errors import protocol_error


def kinds(parent: type[ToolhoneError], depth: int = 0) -> Iterator[tuple[type[ToolhoneError], int]]:
    """Every class of the tree with its depth, in the order in which it is written."""
    yield parent, depth
    for kind in parent.__subclasses__():
        yield from kinds(kind, depth + 1)


def rendered() -> str:
    rows = [
        (
            f"{'→ ' * depth}`{kind.code}`",
            str(status_of(kind())),
            "invalid params"
            if protocol_error(kind()).error.code == types.INVALID_PARAMS
            else "internal error",
            f"`{kind.__name__}`",
            plain(kind.__doc__ or ""),
        )
        for kind, depth in kinds(ToolhoneError)
        if kind.__module__ == ToolhoneError.__module__
    ]
    lines = head(
        "Errors",
        "A code is stable and is the same everywhere. Over REST it is in the problem that is answered "
        "(`application/problem+json`), with the status below. A tool's error over MCP is a result with "
        "`isError`, whose text begins with the code; a failing resource or prompt is a JSON-RPC error with "
        "the code in its data. In a batch each call has its own. The message says what happened, to which "
        "input, and what to do next; it may change. An arrow stands before what is a kind of the one above.",
    )
    return text_of(
        [*lines, *table(("code", "HTTP", "JSON-RPC", "in Python", "message, if none is more exact"), rows)]
    )
