"""Python tools: called with keywords, in threads or on the loop, and what becomes of their results."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from pydantic import BaseModel

from toolhone.exceptions import (
    InvalidArgumentsError,
    RegistryFileError,
    ToolFailedError,
    UnknownToolError,
)
from toolhone.models import Json, JsonObject, ToolDefinition, ToolOutput
from toolhone.registry.python_handler import (
    FunctionCaller,
    PythonHandler,
    load_function,
    reference_issues,
    signature_issues,
)


class Point(BaseModel):
    x: int
    on: date


@dataclass
class Pair:
    left: int
    right: list[Point]


def definition(*, output_schema: JsonObject | None = None) -> ToolDefinition:
    return ToolDefinition(
        name="t", description="d", input_schema={"type": "object"}, output_schema=output_schema
    )


async def call(
    function: Callable[..., object], arguments: JsonObject | None = None, *, declared: bool = False
) -> ToolOutput:
    with anyio.fail_after(10):
        return await FunctionCaller(function).call(
            definition(output_schema={} if declared else None), arguments or {}
        )


@pytest.mark.parametrize(
    ("returned", "text", "structured"),
    [
        ({"a": 1}, '{"a": 1}', {"a": 1}),
        ("plain", "plain", None),
        ([1, "é"], '[1, "é"]', None),
        (None, "null", None),
        (Point(x=1, on=date(2026, 1, 2)), '{"x": 1, "on": "2026-01-02"}', {"x": 1, "on": "2026-01-02"}),
        (
            Pair(1, [Point(x=1, on=date(2026, 1, 2))]),
            '{"left": 1, "right": [{"x": 1, "on": "2026-01-02"}]}',
            {"left": 1, "right": [{"x": 1, "on": "2026-01-02"}]},
        ),
    ],
)
async def test_a_result_becomes_text_and_objects_are_structured(
    returned: object, text: str, structured: Json
) -> None:
    output = await call(lambda: returned)

    assert output.text == text
    assert output.structured == structured
    assert output.has_structured == (structured is not None)


@pytest.mark.parametrize("returned", [[1], "word", None, 3])
async def test_with_an_output_schema_every_result_is_structured(returned: object) -> None:
    output = await call(lambda: returned, declared=True)

    assert output.has_structured
    assert output.structured == returned


async def test_a_tool_output_is_taken_as_it_is() -> None:
    output = ToolOutput(content=({"type": "image", "data": "", "mimeType": "image/png"},), is_error=True)

    assert await call(lambda: output) is output


async def test_what_has_no_json_form_is_an_error_that_says_so() -> None:
    with pytest.raises(ToolFailedError, match="'t' returned a object that has no JSON form"):
        await call(object)


async def test_sync_functions_run_in_a_worker_thread_and_async_ones_on_the_loop() -> None:
    async def here() -> bool:
        return threading.current_thread() is threading.main_thread()

    def there() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert (await call(here)).text == "true"
    assert (await call(there)).text == "false"


async def test_a_plain_function_around_an_async_one_is_awaited() -> None:
    async def answer() -> str:
        return "yes"

    assert (await call(lambda: answer())).text == "yes"


async def test_numbers_that_json_cannot_say_become_null_and_a_notice_says_where() -> None:
    returned = {"a/b": [1.5, float("nan")], "most": float("inf"), "least": float("-inf")}

    output = await call(lambda: returned)

    assert output.structured == {"a/b": [1.5, None], "most": None, "least": None}
    assert output.text == '{"a/b": [1.5, null], "most": null, "least": null}'
    assert output.notices == (
        "The answer has NaN at /a~1b/1, Infinity at /most, -Infinity at /least: "
        "this is not JSON and was sent as null.",
    )
    assert (await call(lambda: {"a": 1.5})).notices == ()


async def test_many_numbers_that_json_cannot_say_make_one_short_notice() -> None:
    output = await call(lambda: [float("nan")] * 1_000, declared=True)

    assert output.structured == [None] * 1_000
    assert "NaN at /2, …: this" in output.notices[0]


async def test_an_exception_is_told_without_its_traceback_and_logged_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(path: str) -> None:
        raise FileNotFoundError(f"no {path}")

    with caplog.at_level(logging.DEBUG), pytest.raises(ToolFailedError) as caught:
        await call(fails, {"path": "x.csv"})

    assert caught.value.message == "'t' failed: FileNotFoundError: no x.csv"
    assert "Traceback" in caplog.text


async def test_an_exception_is_told_without_the_secrets_in_it() -> None:
    def fails() -> None:
        raise ConnectionError(
            "postgres://bob:pw12345x@db/x refused, api_key=sk_live_4eC39HqLyjWDarjtT1zdp7dc"
        )

    with pytest.raises(ToolFailedError) as caught:
        await call(fails)

    assert "'t' failed: ConnectionError: postgres://bob:[REDACTED:password]@db/x" in caught.value.message
    assert "sk_live" not in caught.value.message


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration("x"), KeyError()])
async def test_whatever_is_raised_is_only_this_calls_failure(error: BaseException) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(ToolFailedError, match=r"'t' failed: (SystemExit|RuntimeError|KeyError)"):
        await call(fails)


async def test_our_own_errors_keep_their_code() -> None:
    def fails() -> None:
        raise UnknownToolError("gone")

    with pytest.raises(UnknownToolError, match="gone"):
        await call(fails)


async def test_arguments_the_function_does_not_take_are_refused_before_it_runs() -> None:
    def takes(a: int, b: int = 0) -> int:
        return a + b

    with pytest.raises(InvalidArgumentsError, match="unexpected keyword argument 'c'"):
        await call(takes, {"a": 1, "c": 2})
    with pytest.raises(InvalidArgumentsError, match="missing a required argument: 'a'"):
        await call(takes)


async def test_progress_reaches_the_caller_from_sync_and_async_functions() -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async def on_the_loop(report_progress: Json) -> None:
        await report_progress(1, 2)

    def in_a_thread(report_progress: Json) -> None:
        report_progress(2, 2, "done")

    for function in (on_the_loop, in_a_thread):
        await FunctionCaller(function).call(definition(), {}, report)

    assert reports == [(1, 2, None), (2, 2, "done")]


async def test_a_call_that_is_given_up_does_not_wait_for_its_thread() -> None:
    entered, finish, left = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        finish.wait(10)
        left.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, slow)
            await anyio.to_thread.run_sync(entered.wait)
            tasks.cancel_scope.cancel()
    assert not left.is_set()
    finish.set()
    assert await anyio.to_thread.run_sync(left.wait, 10)


async def test_a_function_that_reports_stops_once_its_call_was_given_up() -> None:
    entered, go_on, stopped = threading.Event(), threading.Event(), threading.Event()

    def slow(report_progress: Json) -> None:
        entered.set()
        go_on.wait(10)
        try:
            report_progress(1)
        except BaseException:
            stopped.set()
            raise

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, slow)
            await anyio.to_thread.run_sync(entered.wait)
            tasks.cancel_scope.cancel()
    go_on.set()
    assert await anyio.to_thread.run_sync(stopped.wait, 10)


async def test_modules_of_one_name_in_two_folders_do_not_clash(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "json.py").write_text(f"def where():\n    return {folder!r}\n")

    texts = [
        (await PythonHandler("json:where", tmp_path / folder).call(definition(), {}, None)).text
        for folder in ("one", "two")
    ]

    assert texts == ["one", "two"]


def test_loading_leaves_nothing_behind_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def run(): ...\n")

    load_function("m:run", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["m.py"]


def test_an_installed_module_is_used_where_the_folder_has_none(tmp_path: Path) -> None:
    assert load_function("os.path:basename", tmp_path)("a/b") == "b"


def test_a_changed_module_is_loaded_anew_and_an_unchanged_one_keeps_its_state(tmp_path: Path) -> None:
    module = tmp_path / "counter.py"
    module.write_text("seen = []\ndef count():\n    seen.append(1)\n    return len(seen)\n")
    assert load_function("counter:count", tmp_path)() == 1
    assert load_function("counter:count", tmp_path)() == 2

    module.write_text(module.read_text().replace("len(seen)", "-1"))

    assert load_function("counter:count", tmp_path)() == -1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "has nothing of this name"),
        ("run = 3", "has a int of this name"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("def run(:", "SyntaxError"),
    ],
)
def test_a_module_that_gives_no_function_says_why(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "m.py").write_text(source)

    with pytest.raises(RegistryFileError, match=message):
        load_function("m:run", tmp_path)


def test_looking_for_a_function_runs_nobodys_code(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def run(): ...\nopen(__file__ + '.ran', 'w').close()\n")

    assert reference_issues("m:run", tmp_path) == []
    assert "defines no 'walk'" in reference_issues("m:walk", tmp_path)[0].message
    assert "m2.py does not exist" in reference_issues("m2:run", tmp_path)[0].message
    assert not list(tmp_path.glob("*.ran"))


def test_function_and_schema_must_agree_about_the_arguments() -> None:
    def function(a: int, b: int, c: int = 0, report_progress: object = None) -> None: ...

    issues = signature_issues(
        function, {"type": "object", "properties": {"a": {}, "d/e": {}}, "required": ["a"]}
    )

    assert [issue.field for issue in issues] == ["/inputSchema/properties/d~1e", "/inputSchema/required"]
