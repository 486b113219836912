"""The `toolhone` command as a user runs it: in this process, or as a process of its own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner

from toolhone.cli import main
from toolhone.models import Json, JsonObject

PLAIN = Path(__file__).parents[1] / "registry" / "servers" / "plain.py"

MODULE = '''
"""The functions of the tools under test."""

from toolhone.models import ToolOutput


def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


def repeat(text: str) -> str:
    return text


def list_rows(count: int) -> dict[str, object]:
    return {"rows": [{"number": number, "square": number * number} for number in range(count)]}


def fail(reason: str) -> str:
    raise ValueError(reason)


def draw() -> ToolOutput:
    picture = {"type": "image", "data": "UElD", "mimeType": "image/png"}
    return ToolOutput(content=({"type": "text", "text": "a picture"}, picture))
'''
LONG = "a_tool_whose_name_is_as_long_as_a_name_can_be_here"
assert len(LONG) == 50


def tool_file(name: str, description: str, function: str, properties: JsonObject, **more: Json) -> JsonObject:
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": [*properties]},
        "annotations": {"readOnlyHint": True},
        "handler": {"type": "python", "function": f"functions_of_cli_tests:{function}"},
        **more,
    }


NUMBER: JsonObject = {"type": "number"}
TEXT: JsonObject = {"type": "string"}
COUNT: JsonObject = {"type": "integer"}
FILES = [
    tool_file("add", "Add two numbers and give their sum.", "add", {"a": NUMBER, "b": NUMBER}),
    tool_file("repeat", "Give back the text.", "repeat", {"text": TEXT}, annotations={}),
    tool_file("list_rows", "List many rows.", "list_rows", {"count": COUNT}),
    tool_file("draw", "Draw a picture.", "draw", {}),
    tool_file("fail", "Fail for the reason that is given.", "fail", {"reason": TEXT}),
    tool_file(
        LONG, "Add [red]two[/red] numbers \x1b[31mslowly.\nA second line.", "add", {"a": NUMBER, "b": NUMBER}
    ),
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Json:
        return json.loads(self.stdout)


Run: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any configuration, in an empty folder, on a terminal of 80 columns."""
    for name in [name for name in os.environ if name.startswith("TOOLHONE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "config" / "toolhone").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def run(home: Path) -> Generator[Run]:
    """Runs a command in this process."""
    # The ones that commands turn down; other tests listen to them.
    loggers = [logging.getLogger(name) for name in ("mcp.client.stdio", "toolhone.registry.python_handler")]
    levels = [logger.level for logger in loggers]

    def run(*arguments: str | Path, input: str = "") -> Outcome:
        with CliRunner().isolation(input=input) as (stdout, stderr, _):
            try:
                main([str(argument) for argument in arguments])
                code = 0
            except SystemExit as stop:
                code = stop.code
            assert isinstance(code, int)
            return Outcome(code, stdout.getvalue().decode(), stderr.getvalue().decode())

    yield run
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def run_process(home: Path) -> Run:
    """Runs a command as a process."""

    def run(*arguments: str | Path, input: str = "") -> Outcome:
        command = [sys.executable, "-m", "toolhone", *map(str, arguments)]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=60, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def registry(home: Path) -> Path:
    """The user's tool files."""
    folder = home / "config" / "toolhone" / "tool_registry"
    folder.mkdir()
    (folder / "functions_of_cli_tests.py").write_text(MODULE)
    for file in FILES:
        (folder / f"{file['name']}.json").write_text(json.dumps(file))
    return folder


@pytest.fixture
def servers(home: Path) -> Callable[..., Path]:
    """Writes the user's mcp.json: a server of this name for each entry, `None` for one that works."""

    def write(**entries: JsonObject | None) -> Path:
        file = home / "config" / "toolhone" / "mcp.json"
        plain: JsonObject = {"command": sys.executable, "args": ["-I", "-S", str(PLAIN)]}
        servers = {name: plain if entry is None else entry for name, entry in entries.items()}
        file.write_text(json.dumps({"mcpServers": servers}))
        return file

    return write
