"""Every block of code in the documentation is run, or read by what would read it, or says why not."""

import ast
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import cast

import click
import jsonschema
import pytest
import yaml

from documentation.__main__ import PAGES as GENERATED
from documentation.blocks import Block, Step, as_shown, blocks, steps
from toolhone.cli import toolhone
from toolhone.compression.signatures import decompress
from toolhone.compression.tables import decode_result
from toolhone.models import Json, JsonObject
from toolhone.redaction import redact_record
from toolhone.registry.config import load_servers
from toolhone.settings import Settings
from toolhone.training.costs import load_prices

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "encoder", "examples", "benchmarks", "tool_registry")
PAGES = sorted(
    {
        *(ROOT / "docs").rglob("*.md"),
        *(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md")),
    }
)
BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = ("sh", "console")
GENERATED_PAGES = {ROOT / "docs" / name for name in GENERATED}

PATIENCE = 180.0
"""Seconds after which a page is given up. The machine may be busy."""

MARK = "\036"
PORT = "127.0.0.1:8000"
"""As pages have it."""
SEPARATORS = frozenset({"|", "||", "&&", ";", "&"})


def name_of(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def of(*languages: str, run: bool | None = None) -> list[Block]:
    """The blocks in these languages; with `run`, those that have or have not an excuse."""
    return [
        block
        for block in BLOCKS
        if block.language in languages and (run is None or run == (block.excuse is None))
    ]


def each(*languages: str, run: bool | None = None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", of(*languages, run=run), ids=name_of)


def test_every_fence_belongs_to_a_block() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)

        assert len(fences) == 2 * sum(block.page == page for block in BLOCKS), page


def test_every_block_is_checked_or_says_why_not() -> None:
    checked = {*SHELL, "python", "json", "toml", "yaml", "text"}

    assert [name_of(block) for block in BLOCKS if block.language not in checked and not block.excuse] == []


# What is typed into a shell.


class Shell:
    """A folder, and a user of the machine who has nothing but it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        tools = folder / "bin"
        for one in (self.home, self.work, tools):
            one.mkdir()
        venv = Path(sys.executable).parent
        # What uvx would fetch is installed already.
        shim = tools / "uvx"
        shim.write_text(f'#!/bin/sh\nprogram=$1; shift\nexec "{venv}/$program" "$@"\n')
        shim.chmod(0o755)
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
        self.environ = {
            **own,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PATH": f"{tools}:{venv}:{own['PATH']}",
            "COLUMNS": "100",
        }

    def run(self, arguments: list[str]) -> tuple[int, str]:
        """(exit code, all that was printed); nothing that was started stays."""
        printed = self.folder / "printed"
        with printed.open("w") as output:
            process = subprocess.Popen(
                arguments,
                cwd=self.work,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(PATIENCE)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return code, printed.read_text(encoding="utf-8")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    "page",
    sorted({block.page for block in of(*SHELL, run=True)}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_tells_to_type_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    typed = [(block, step) for block in of(*SHELL, run=True) if block.page == page for step in steps(block)]
    # The port of the page may be taken.
    port = f"127.0.0.1:{free_port()}"
    script = ["set -euo pipefail"]
    for number, (_, step) in enumerate(typed):
        script += [f"printf '{MARK}{number}{MARK}\\n'", step.script.replace(PORT, port)]

    code, printed = Shell(tmp_path).run(["bash", "-c", "\n".join(script)])

    said = re.split(f"{MARK}(\\d+){MARK}\n", printed.replace(port, PORT))[1:]
    wrong = [
        f"{name_of(block)}\n$ {step.script}\n{said[2 * number + 1]}"
        for number, (block, step) in enumerate(typed)
        if 2 * number + 1 < len(said) and not _fits(step, said[2 * number + 1])
    ]
    assert code == 0, printed
    assert wrong == [], "\n".join(wrong)


def _fits(step: Step, said: str) -> bool:
    return step.shown is None or as_shown(said, step.shown)


@each(*SHELL, run=False)
def test_what_cannot_be_typed_here_is_a_script_with_commands_that_there_are(block: Block) -> None:
    script = "\n".join(step.script for step in steps(block))

    assert subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).stderr == b""
    for words in commands(script):
        _parse(words)


def commands(script: str) -> Iterator[list[str]]:
    """The words behind each `toolhone` that a script runs."""
    line = ""
    for part in script.replace("\\\n", " ").splitlines():
        line += part
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quote that the next line closes
            line += "\n"
            continue
        line = ""
        for _, group in groupby(words, key=SEPARATORS.__contains__):
            one = list(group)
            while one and re.match(r"\w+=", one[0]):
                del one[0]
            if one and Path(one[0]).name == "toolhone":
                ends = [index for index, word in enumerate(one) if re.match(r"\d?[<>]", word)]
                yield one[1 : ends[0] if ends else None]
    assert line == "", "a quote is never closed"


def _parse(words: list[str]) -> None:
    command: click.Command = toolhone
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no command {name!r}"
        command = found
    try:
        with command.make_context(command.name, list(words)):
            pass  # every option and its value is known
    except click.BadParameter as error:
        # The files of the reader.
        assert re.search("does not exist|No such file", error.message), error.message
    except click.exceptions.Exit:
        pass  # --help


def test_there_are_commands_to_check() -> None:
    found = chain.from_iterable(commands(step.script) for block in of(*SHELL) for step in steps(block))

    assert len(list(found)) >= 40


# Python.

RUNNER = """
import ast, inspect, sys
import anyio

async def main():
    namespace = {"__name__": "__page__"}
    for file in sys.argv[1:]:
        code = compile(open(file).read(), file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        done = eval(code, namespace)
        if inspect.iscoroutine(done):
            await done

anyio.run(main)
"""


@pytest.mark.parametrize(
    "page",
    sorted({block.page for block in of("python", run=True)}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    files: list[str] = []
    for block in of("python", run=True):
        if block.page == page:
            file = tmp_path / f"line_{block.line}.py"
            file.write_text(block.text)
            files.append(str(file))

    code, printed = shell.run([sys.executable, "-c", RUNNER, *files])

    assert code == 0, printed


def test_python_that_cannot_run_here_is_python_and_imports_what_there_is() -> None:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for block in of("python", run=False):  # there may be none
        tree = compile(block.text, name_of(block), "exec", flags=flags)
        assert isinstance(tree, ast.Module)
        imports: list[ast.stmt] = [
            node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), name_of(block), "exec"), {})


# Data.


@each("json")
def test_json_is_json_and_what_it_is_for_takes_it(block: Block, tmp_path: Path) -> None:
    read: Json = json.loads(block.text)
    if not isinstance(read, dict):
        return
    value = cast(JsonObject, read)
    named: Json = value.get("mcpServers") or value.get("servers")
    if isinstance(named, dict):
        file = tmp_path / "mcp.json"
        file.write_text(block.text)
        variables = dict.fromkeys(re.findall(r"\$\{(?:env:)?(\w+)", block.text), "x")
        servers = load_servers(file, variables)
        assert [entry.problem for entry in servers.entries if entry.problem] == []
        # toolhone among its own servers is left out, and that is said.
        assert len(servers.entries) + len(servers.notices) == len(cast(JsonObject, named))
    if "handler" in value:
        schema = json.loads((ROOT / "src/toolhone/registry/tool.schema.json").read_text())
        jsonschema.validate(value, schema)


@each("toml")
def test_toml_is_toml_and_what_it_is_for_takes_it(block: Block, tmp_path: Path) -> None:
    value = tomllib.loads(block.text)
    if value.keys() <= Settings.model_fields.keys():
        Settings.model_validate(value)
    else:
        file = tmp_path / "prices.toml"
        file.write_text(block.text)
        load_prices(file)


@each("yaml")
def test_yaml_is_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict | list)


@pytest.mark.parametrize(
    "block", [block for block in of("text", run=True) if block.page not in GENERATED_PAGES], ids=name_of
)
def test_text_reads_back(block: Block) -> None:
    text = block.text.removesuffix("\n")
    if text.startswith("//"):
        assert decompress(text)
    elif text.startswith("# tab-separated"):
        assert decode_result(text)
    else:
        before, after = map(json.loads, text.splitlines())
        assert redact_record(before) == after
