"""The two files of a labelled set, read line by line: tools, and queries with the tools that are right.

`tools.jsonl` has lines {name, description, inputSchema, server?}; the names are the set's own, whatever
toolhone would call such tools. `queries.jsonl` has lines {id, query, gold}. Other keys are not read, blank
lines are skipped. Pure: the caller opens the files.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject, ToolDefinition


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a set."""

    id: Json
    """As the file has it."""
    text: str
    """May be empty; what to make of that is the ranker's to judge."""


@dataclass(frozen=True, slots=True)
class LabelledQuery(Query):
    """One query and what is right for it."""

    gold: frozenset[str]
    """The names of the right tools; empty if none is."""


def read_tools(lines: Iterable[str | bytes], source: str) -> list[ToolDefinition]:
    """The tools in the order of the file.

    Args:
        lines: The lines of the file.
        source: What to call it in messages.

    Raises:
        InvalidRequestError: A line is not a tool, or two have the same name.
    """
    tools: list[ToolDefinition] = []
    seen: dict[str, int] = {}
    for number, row in _rows(lines, source):
        where = f"Line {number} of {source}"
        name = row.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidRequestError(
                f"{where}: the tool's name is {name!r}; it must be a text of one or more characters."
            )
        if name in seen:
            raise InvalidRequestError(
                f"{where}: line {seen[name]} already has a tool {name!r}. Make the names differ."
            )
        seen[name] = number
        schema: Json = row.get("inputSchema", {"type": "object"})
        if not isinstance(schema, dict):
            raise InvalidRequestError(f"{where}: the inputSchema of {name!r} is not a JSON object.")
        tools.append(
            ToolDefinition(
                name=name,
                original_name=name,
                description=_text(row, "description", where) or "",
                input_schema=cast("JsonObject", schema),
                server=_text(row, "server", where) or None,
            )
        )
    return tools


def read_queries(lines: Iterable[str | bytes], source: str) -> list[Query]:
    """The queries in the order of the file; what is right for them is not read.

    Raises:
        InvalidRequestError: A line is not a query.
    """
    return [_query(row, f"Line {number} of {source}") for number, row in _rows(lines, source)]


def read_labelled_queries(lines: Iterable[str | bytes], source: str) -> list[LabelledQuery]:
    """The queries in the order of the file, each with its `gold`.

    Raises:
        InvalidRequestError: A line is not a query, or has no list of names as `gold`.
    """
    queries: list[LabelledQuery] = []
    for number, row in _rows(lines, source):
        where = f"Line {number} of {source}"
        query = _query(row, where)
        gold: Json = row.get("gold")
        if not isinstance(gold, list) or not all(isinstance(name, str) for name in cast("list[Json]", gold)):
            raise InvalidRequestError(f"{where}: 'gold' is {gold!r}; it must be a list of tool names.")
        queries.append(LabelledQuery(query.id, query.text, frozenset(cast("list[str]", gold))))
    return queries


def _query(row: JsonObject, where: str) -> Query:
    text = row.get("query")
    if not isinstance(text, str):
        raise InvalidRequestError(f"{where}: 'query' is {text!r}; it must be a text.")
    if row.get("id") is None:
        raise InvalidRequestError(f"{where}: there is no 'id', so its answer could not be told from others.")
    return Query(row["id"], text)


def _rows(lines: Iterable[str | bytes], source: str) -> Iterator[tuple[int, JsonObject]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: Json = json.loads(line)
        except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested without end
            raise InvalidRequestError(f"Line {number} of {source} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise InvalidRequestError(f"Line {number} of {source} is not a JSON object.")
        yield number, cast("JsonObject", row)


def _text(row: JsonObject, key: str, where: str) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{where}: {key!r} is {value!r}; it must be a text.")
    return value
