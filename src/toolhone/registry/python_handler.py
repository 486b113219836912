"""Tools that are Python functions: finding the function, calling it, and what comes of it.

Sync functions run in worker threads of their own limiter, so that a slow tool never takes the threads
that storage works in. A call that is given up (time limit, cancellation) does not wait for its function:
Python cannot stop a thread, so the function runs on to its end and its result is dropped. One that
reports progress stops at its next report instead.
"""

import hashlib
import importlib
import importlib.util
import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TypeAlias, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

from toolhone.exceptions import InvalidArgumentsError, RegistryFileError, ToolFailedError, ToolhoneError
from toolhone.models import Json, JsonObject, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.pointers import pointer
from toolhone.redaction import redact_text
from toolhone.registry.outputs import python_output
from toolhone.registry.schema_checks import Issue

logger = logging.getLogger(__name__)

ToolFunction: TypeAlias = Callable[..., object]

PROGRESS_PARAMETER = "report_progress"
"""A function with a parameter of this name gets `report_progress(progress, total=None, message=None)`."""

WORKER_THREADS = 64
"""How many sync tools run at once in one event loop."""

_limiter: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar("toolhone_tool_threads")
_import_lock = threading.RLock()


class FunctionCaller:
    """Calls one function with a tool's arguments."""

    def __init__(self, function: ToolFunction) -> None:
        self.function = function
        self.signature = inspect.signature(function)
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object whose call is async
        )
        self._wants_progress = PROGRESS_PARAMETER in self.signature.parameters

    async def call(
        self,
        definition: ToolDefinition,
        arguments: Mapping[str, object],
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run the function with these arguments as keywords.

        Raises:
            InvalidArgumentsError: The function does not take these arguments.
            ToolFailedError: The function raised, or returned what has no JSON form.
        """
        name = definition.name
        keywords = dict(arguments)
        if self._wants_progress:
            keywords[PROGRESS_PARAMETER] = self._reporter(report_progress)
        try:
            self.signature.bind(**keywords)
        except TypeError as exc:
            raise InvalidArgumentsError(
                f"The function of {name!r} cannot take these arguments: {exc}."
            ) from exc
        try:
            value = await self._run(keywords)
        except ToolhoneError:
            raise
        except (Exception, SystemExit) as exc:
            # The end of the call: whatever the function raised is its failure, not ours.
            # The caller gets the error; where it came from is for whoever debugs the tool.
            logger.warning("Tool %s raised %s", name, type(exc).__name__)
            logger.debug("Tool %s raised", name, exc_info=exc)
            # Not an answer that the tool meant to give, so a secret in it is there by accident.
            detail = redact_text(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__)
            raise ToolFailedError(f"{name!r} failed: {detail}") from exc
        return python_output(value, tool=name, declared=definition.output_schema is not None)

    async def _run(self, keywords: Mapping[str, object]) -> object:
        if self._is_async:
            return await cast("Awaitable[object]", self.function(**keywords))
        outcome = await anyio.to_thread.run_sync(
            _outcome, self.function, keywords, abandon_on_cancel=True, limiter=_tool_threads()
        )
        if isinstance(outcome, _Raised):
            raise outcome.error
        if inspect.isawaitable(outcome):  # A plain function around an async one, a lambda say.
            return await cast("Awaitable[object]", outcome)
        return outcome

    def _reporter(self, report: ProgressReporter | None) -> Callable[..., object]:
        async def report_async(
            progress: float, total: float | None = None, message: str | None = None
        ) -> None:
            if report is not None:
                await report(progress, total, message)

        def report_from_thread(
            progress: float, total: float | None = None, message: str | None = None
        ) -> None:
            anyio.from_thread.check_cancelled()
            anyio.from_thread.run(report_async, progress, total, message)

        return report_async if self._is_async else report_from_thread


class _Raised:
    """What a function raised in its thread, carried out as a value: futures refuse StopIteration."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _outcome(function: ToolFunction, keywords: Mapping[str, object]) -> object:
    try:
        return function(**keywords)
    except (Exception, SystemExit) as exc:
        if isinstance(exc, StopIteration):
            return _Raised(RuntimeError(f"the function raised StopIteration({exc.value!r})"))
        return _Raised(exc)


def _tool_threads() -> anyio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(WORKER_THREADS)
        _limiter.set(limiter)
        return limiter


class PythonHandler:
    """A `python` handler of a tool file. The module is imported at the first call, in a worker thread."""

    def __init__(self, reference: str, folder: Path) -> None:
        self.reference = reference
        self._folder = folder
        self._caller: FunctionCaller | None = None

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        report_progress: ProgressReporter | None,
    ) -> ToolOutput:
        """Run the function.

        Raises:
            RegistryFileError: The module or the function cannot be loaded.
            ToolhoneError: As `FunctionCaller.call`.
        """
        if self._caller is None:
            function = await anyio.to_thread.run_sync(load_function, self.reference, self._folder)
            self._caller = FunctionCaller(function)
        return await self._caller.call(definition, arguments, report_progress)


def load_function(reference: str, folder: Path) -> ToolFunction:
    """The function that `module:function` names; `module.py` in the folder wins over installed modules.

    Raises:
        RegistryFileError: There is no such module or function, or the module fails when imported.
    """
    module_name, _, function_name = reference.partition(":")
    try:
        with _import_lock:
            path = _file_beside(module_name, folder)
            module = _load_file(path) if path else importlib.import_module(module_name)
    except (Exception, SystemExit) as exc:
        # The module is somebody else's code and may raise anything while it is imported.
        raise RegistryFileError(
            f"The module of {reference!r} cannot be imported: {redact_text(f'{type(exc).__name__}: {exc}')}."
        ) from exc
    function = getattr(module, function_name, None)
    if not callable(function):
        what = "nothing" if function is None else f"a {type(function).__name__}"
        raise RegistryFileError(
            f"{reference!r} must name a function, but {module_name!r} has {what} of this name."
        )
    try:
        inspect.signature(function)
    except (TypeError, ValueError) as exc:  # Some functions written in C do not say.
        raise RegistryFileError(f"{reference!r} has no signature that can be read: {exc}.") from exc
    return function


def reference_issues(reference: str, folder: Path) -> list[Issue]:
    """What can be said against `module:function` without running anybody's code."""
    module_name, _, function_name = reference.partition(":")
    path = _file_beside(module_name, folder)
    if path is None:
        # find_spec would import the parents of a dotted name, so only the outermost is looked for.
        outermost = module_name.partition(".")[0]
        try:
            if importlib.util.find_spec(outermost) is not None:
                return []
        except ValueError:  # A module without a spec, such as __main__.
            pass
        missing = "" if "." in module_name else f"{folder / module_name}.py does not exist, and "
        return [Issue("/handler/function", f"{missing}no module {module_name!r} is installed")]
    try:
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError) as exc:
        return [Issue("/handler/function", f"{path.name} cannot be read: {exc}")]
    # Every name that the module's top level binds is among those that its code mentions.
    if function_name in code.co_names:
        return []
    return [Issue("/handler/function", f"{path.name} defines no {function_name!r}")]


def signature_issues(function: ToolFunction, input_schema: JsonObject) -> list[Issue]:
    """Where the function and the inputSchema disagree about the arguments."""
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    by_name = {
        parameter.name: parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    properties = cast("dict[str, Json]", input_schema.get("properties", {}))
    required = cast("list[str]", input_schema.get("required", []))
    issues = [
        Issue("/inputSchema" + pointer(["properties", name]), "the function has no such parameter")
        for name in properties
        if name not in by_name and not takes_any
    ]
    issues.extend(
        Issue("/inputSchema/required", f"the function needs {name!r}, which is not required here")
        for name, parameter in by_name.items()
        if parameter.default is parameter.empty and name not in required and name != PROGRESS_PARAMETER
    )
    return issues


def _file_beside(module_name: str, folder: Path) -> Path | None:
    path = folder / f"{module_name}.py"
    return path if "." not in module_name and path.is_file() else None


def _load_file(path: Path) -> ModuleType:
    """The module in this file, under a private name made of its place and content.

    Two folders may thus have modules of one name, an unchanged module keeps its state when the folder is
    read again, and a changed one is new. Compiled here, not by the import system, which would leave
    `__pycache__` in the folder and may take a change within one second for no change.
    """
    source = path.read_bytes()
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()[:16]
    name = f"_toolhone_tool_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # Before it runs: dataclasses and pydantic look modules up here.
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
