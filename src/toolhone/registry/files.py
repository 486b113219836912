"""A folder of tool files as a toolset. One bad file costs nobody but itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio.to_thread

from toolhone.exceptions import RegistryFileError, UnknownToolError
from toolhone.models import JsonObject, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.registry.addresses import Resolve, resolve_host
from toolhone.registry.http_handler import HttpHandler, http_issues
from toolhone.registry.listeners import Listeners
from toolhone.registry.python_handler import (
    PythonHandler,
    load_function,
    reference_issues,
    signature_issues,
)
from toolhone.registry.schema import PythonHandlerPart, ToolFile, parse_tool_file
from toolhone.registry.schema_checks import Issue, form_issues, metaschema_issues


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a registry folder."""

    file: Path
    field: str
    """A JSON Pointer into the file; empty for the file as a whole."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}{f' {self.field}' if self.field else ''}: {self.message}"


class Handler(Protocol):
    """What runs one tool of a file."""

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        report_progress: ProgressReporter | None,
    ) -> ToolOutput: ...


@dataclass(frozen=True, slots=True)
class _Tool:
    definition: ToolDefinition
    handler: Handler


@dataclass(frozen=True, slots=True)
class _Folder:
    tools: Mapping[str, _Tool]
    problems: tuple[Problem, ...]


class FileToolset:
    """The tools of a registry folder that are in order; `problems` says what is not.

    Building it reads the folder and runs nobody's code: a tool's module is imported at its first call.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *, resolve: Resolve = resolve_host) -> None:
        self.folder = folder
        self._environ = environ
        self._resolve = resolve
        self._listeners = Listeners()
        self._loaded = _load(folder, environ, resolve)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What kept tools of the folder out, by file."""
        return self._loaded.problems

    def tools(self) -> Sequence[ToolDefinition]:
        """The tools in order of their files' names."""
        return tuple(tool.definition for tool in self._loaded.tools.values())

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        """Nothing has to be started for a tool of a file."""

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run the tool as its file says.

        Raises:
            UnknownToolError: The tool is no longer in the folder.
            ToolhoneError: As the handler's `call`.
        """
        tool = self._loaded.tools.get(definition.name)
        if tool is None:
            raise UnknownToolError(f"The folder {str(self.folder)!r} has no tool {definition.name!r} now.")
        return await tool.handler.call(tool.definition, arguments, report_progress)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when a reload changed the tools; returns how to stop that."""
        return self._listeners.subscribe(listener)

    async def reload(self) -> bool:
        """Read the folder again; says whether callers see a difference. Running calls are not disturbed."""
        before = self.tools()
        self._loaded = await anyio.to_thread.run_sync(_load, self.folder, self._environ, self._resolve)
        changed = self.tools() != before
        if changed:
            self._listeners.notify()
        return changed


def check_folder(folder: Path, environ: Mapping[str, str]) -> list[Problem]:
    """Everything that is wrong in the folder.

    More thorough than loading: schemas are held against their metaschema, and the modules of Python
    tools are imported, so that their functions can be compared with the inputSchema.
    """
    problems = list(_load(folder, environ, resolve_host).problems)
    with_problems = {problem.file for problem in problems}
    for path in _files(folder):
        if path not in with_problems and isinstance(file := _parse(path), ToolFile):
            problems.extend(Problem(path, *issue) for issue in _thorough_issues(file, folder))
    return sorted(problems, key=lambda problem: (problem.file, problem.field))


def _load(folder: Path, environ: Mapping[str, str], resolve: Resolve) -> _Folder:
    if not folder.is_dir():
        return _Folder({}, (Problem(folder, "", "there is no such folder"),))
    tools: dict[str, _Tool] = {}
    origins: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in _files(folder):
        file = _parse(path)
        issues = file if isinstance(file, list) else _issues(file, folder, environ)
        if isinstance(file, ToolFile) and file.name in origins:
            issues.append(Issue("/name", f"{file.name!r} is the tool of {origins[file.name].name} already"))
        if issues or isinstance(file, list):
            problems.extend(Problem(path, *issue) for issue in issues)
            continue
        origins[file.name] = path
        tools[file.name] = _Tool(file.definition(), _handler(file, folder, environ, resolve))
    return _Folder(tools, tuple(problems))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _parse(path: Path) -> ToolFile | list[Issue]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        return [Issue("", f"cannot be read: {exc}")]
    return parse_tool_file(text)


def _issues(file: ToolFile, folder: Path, environ: Mapping[str, str]) -> list[Issue]:
    issues = form_issues(file.input_schema, "/inputSchema", for_input=True)
    if file.output_schema is not None:
        issues += form_issues(file.output_schema, "/outputSchema", for_input=False)
    if isinstance(file.handler, PythonHandlerPart):
        issues += reference_issues(file.handler.function, folder)
    elif not issues:  # Placing arguments reads the inputSchema, which must be sound for that.
        issues += http_issues(file.handler, file.input_schema, environ)
    return issues


def _thorough_issues(file: ToolFile, folder: Path) -> list[Issue]:
    issues = metaschema_issues(file.input_schema, "/inputSchema")
    if file.output_schema is not None:
        issues += metaschema_issues(file.output_schema, "/outputSchema")
    if isinstance(file.handler, PythonHandlerPart):
        try:
            issues += signature_issues(load_function(file.handler.function, folder), file.input_schema)
        except RegistryFileError as exc:
            issues.append(Issue("/handler/function", exc.message))
    return issues


def _handler(file: ToolFile, folder: Path, environ: Mapping[str, str], resolve: Resolve) -> Handler:
    if isinstance(file.handler, PythonHandlerPart):
        return PythonHandler(file.handler.function, folder)
    return HttpHandler(file.handler, file.input_schema, environ, resolve=resolve)
