"""Python functions, and bare schemas, registered through the library, as a toolset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from toolhone.exceptions import InvalidArgumentsError, InvalidRequestError, ToolFailedError, UnknownToolError
from toolhone.models import (
    Annotations,
    Category,
    JsonObject,
    Limits,
    OutputValidation,
    ProgressReporter,
    ToolDefinition,
    ToolOutput,
)
from toolhone.pointers import pointer
from toolhone.registry.listeners import Listeners
from toolhone.registry.openai_schema import definition_from_schema as definition_from_schema
from toolhone.registry.python_handler import FunctionCaller, ToolFunction
from toolhone.registry.schema_checks import form_issues
from toolhone.registry.signatures import derive

_F = TypeVar("_F", bound=Callable[..., object])

_NO_ANNOTATIONS = Annotations()
_NO_LIMITS = Limits()


class FunctionToolset:
    """Tools that a Python program adds one by one. Registering a name again replaces its tool."""

    def __init__(self) -> None:
        self._tools: dict[str, _Registered] = {}
        self._listeners = Listeners()

    def register(
        self,
        name: str,
        function: ToolFunction,
        *,
        description: str,
        input_schema: JsonObject,
        output_schema: JsonObject | None = None,
        annotations: Annotations = _NO_ANNOTATIONS,
        category: Category = Category.GENERAL,
        limits: Limits = _NO_LIMITS,
        output_validation: OutputValidation = OutputValidation.WARN,
    ) -> ToolDefinition:
        """Add a function with a schema of its own. It gets the arguments as keywords, as they come.

        Raises:
            InvalidRequestError: The name, a schema or the function cannot be used.
        """
        definition = ToolDefinition(
            name=name,
            description=description,
            input_schema=input_schema,
            output_schema=output_schema,
            annotations=annotations,
            category=category,
            limits=limits,
            output_validation=output_validation,
            original_name=name,
        )
        try:
            caller = FunctionCaller(function)
        except (TypeError, ValueError) as exc:
            raise InvalidRequestError(f"The signature of {name!r} cannot be read: {exc}.") from exc
        self._add(definition, caller)
        return definition

    def register_definition(self, definition: ToolDefinition) -> None:
        """Add a tool that can be found and described, but not called: it has no function.

        Raises:
            InvalidRequestError: The name or a schema cannot be used.
        """
        self._add(definition, None)

    def tool(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        annotations: Annotations = _NO_ANNOTATIONS,
        category: Category = Category.GENERAL,
        limits: Limits = _NO_LIMITS,
        output_validation: OutputValidation = OutputValidation.WARN,
    ) -> Callable[[_F], _F]:
        """Decorator: add a function, its schema made from type hints and docstring.

        The arguments of a call are converted to the hinted types first. The function itself stays as it
        is. A return hint that is a pydantic model, a dataclass or a TypedDict gives an outputSchema.

        Raises:
            InvalidRequestError: The signature cannot be turned into a schema; the message says why.
        """

        def register(function: _F) -> _F:
            derived = derive(function)
            definition = ToolDefinition(
                name=name or str(getattr(function, "__name__", "")),
                description=description or derived.description,
                input_schema=derived.input_schema,
                output_schema=derived.output_schema,
                annotations=annotations,
                category=category,
                limits=limits,
                output_validation=output_validation,
                original_name=name or str(getattr(function, "__name__", "")),
            )
            if not definition.description:
                raise InvalidRequestError(
                    f"{definition.name!r} needs a docstring or a description: agents find tools by words."
                )
            self._add(definition, FunctionCaller(function), derived.arguments, derived.parameters)
            return function

        return register

    def remove(self, name: str) -> None:
        """Take a tool out.

        Raises:
            UnknownToolError: There is none of this name.
        """
        if self._tools.pop(name, None) is None:
            raise UnknownToolError(f"There is no registered function {name!r}.")
        self._listeners.notify()

    def tools(self) -> Sequence[ToolDefinition]:
        """The tools in the order of their registration."""
        return tuple(tool.definition for tool in self._tools.values())

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        """Nothing has to be started for a function."""

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run the function.

        Raises:
            UnknownToolError: The tool was removed.
            ToolFailedError: The tool has no function, or the function failed.
            InvalidArgumentsError: The arguments cannot be converted to the hinted types.
        """
        tool = self._tools.get(definition.name)
        if tool is None:
            raise UnknownToolError(f"There is no registered function {definition.name!r}.")
        if tool.caller is None:
            raise ToolFailedError(
                f"{definition.name!r} was registered as a schema alone, so there is nothing to call; "
                "register it with a function."
            )
        definition = tool.definition
        if definition.output_schema is None:
            # A program gets back what its function returned, not the text that a model would read.
            definition = replace(definition, output_schema={})
        return await tool.caller.call(definition, tool.converted(arguments), report_progress)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever a tool was added or removed; returns how to stop that."""
        return self._listeners.subscribe(listener)

    def _add(
        self,
        definition: ToolDefinition,
        caller: FunctionCaller | None,
        arguments: type[BaseModel] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        _check(definition)
        self._tools[definition.name] = _Registered(definition, caller, arguments, parameters or {})
        self._listeners.notify()


class _Registered:
    """One tool and how to call it."""

    def __init__(
        self,
        definition: ToolDefinition,
        caller: FunctionCaller | None,
        arguments: type[BaseModel] | None,
        parameters: Mapping[str, str],
    ) -> None:
        self.definition = definition
        self.caller = caller
        self._arguments = arguments
        self._parameters = parameters

    def converted(self, arguments: JsonObject) -> Mapping[str, object]:
        if self._arguments is None:
            return arguments
        try:
            model = self._arguments.model_validate(arguments)
        except ValidationError as exc:
            details = "; ".join(
                f"{pointer(error['loc']) or '/'}: {error['msg']}"
                for error in exc.errors(include_url=False, include_context=False, include_input=False)
            )
            raise InvalidArgumentsError(
                f"The arguments of {self.definition.name!r} do not fit: {details}."
            ) from exc
        # Only what was given: the function has its own defaults.
        return {self._parameters[field]: getattr(model, field) for field in model.model_fields_set}


def _check(definition: ToolDefinition) -> None:
    name = definition.name
    allowed = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
    if not allowed or len(name) > 50:
        raise InvalidRequestError(
            f"{name!r} cannot be a tool's name: 1 to 50 characters of a-z, 0-9 and _ are allowed."
        )
    issues = form_issues(definition.input_schema, "/inputSchema", for_input=True)
    if definition.output_schema is not None:
        issues += form_issues(definition.output_schema, "/outputSchema", for_input=False)
    if issues:
        details = "; ".join(f"{issue.field}: {issue.message}" for issue in issues)
        raise InvalidRequestError(f"The schema of {name!r} cannot be used: {details}.")
