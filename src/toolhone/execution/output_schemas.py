"""Schemas by name, for checking structured output on request."""

from collections.abc import Callable

from toolhone.exceptions import InvalidRequestError
from toolhone.execution.validation import Problem, check_schema, find_problems
from toolhone.models import Json, JsonObject


def _no_tool(name: str) -> JsonObject | None:
    return None


class OutputSchemas:
    """The registered schemas, and behind them the output schemas of the tools."""

    def __init__(self, schema_of_tool: Callable[[str], JsonObject | None] = _no_tool) -> None:
        """Start empty.

        Args:
            schema_of_tool: The output schema of the tool of this name, if it has one.
        """
        self._schema_of_tool = schema_of_tool
        self._registered: dict[str, JsonObject] = {}

    def register(self, name: str, schema: JsonObject) -> None:
        """Give the schema a name; a schema that had the name before is replaced.

        Raises:
            UnusableSchemaError: It is not a JSON Schema.
            InvalidRequestError: The name is empty.
        """
        if not name:
            raise InvalidRequestError("An output schema needs a name that is not empty.")
        check_schema(schema)
        self._registered[name] = schema

    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._registered)

    def registered(self, name: str) -> JsonObject:
        """The registered schema of this name, and no tool's.

        Raises:
            InvalidRequestError: There is none.
        """
        if name not in self._registered:
            raise self._no_schema(name)
        return self._registered[name]

    def validate(self, schema: str | JsonObject, output: Json) -> list[Problem]:
        """In what way the output does not match; nothing if it does.

        Args:
            schema: A registered name, the name of a tool with an output schema, or a schema itself.
            output: Any JSON value.

        Raises:
            InvalidRequestError: There is no schema of this name.
            UnusableSchemaError: The schema cannot be used.
        """
        return find_problems(self._named(schema) if isinstance(schema, str) else schema, output)

    def _named(self, name: str) -> JsonObject:
        schema = self._registered.get(name)
        if schema is None:
            schema = self._schema_of_tool(name)
        if schema is None:
            raise self._no_schema(name)
        return schema

    def _no_schema(self, name: str) -> InvalidRequestError:
        known = ", ".join(self.names()) or "none"
        return InvalidRequestError(
            f"There is no output schema {name!r}. Registered are: {known}. "
            "A tool's name or a JSON Schema can be given too."
        )
