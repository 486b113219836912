"""Every block of code in the documentation is run, or read by what would read it, or says why not."""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import cast

import click
import jsonschema
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from documentation.__main__ import PAGES as MADE
from documentation.blocks import Block, blocks, steps
from documentation.shell import Shell, free_port, ready
from documentation.treatment import EXCUSES, PYTHON, SHELL, pages, treatment
from toolhone.cli import toolhone
from toolhone.compression.signatures import decompress
from toolhone.compression.tables import decode_result
from toolhone.models import Json, JsonObject
from toolhone.redaction import redact_record
from toolhone.registry.config import load_servers
from toolhone.registry.files import check_folder
from toolhone.settings import Settings
from toolhone.training.costs import load_prices

ROOT = Path(__file__).parents[2]
PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
MADE_PAGES = {ROOT / "docs" / name for name in MADE}
INLINE = re.compile(r"`([^`\n]+)`")
SEPARATORS = frozenset({"|", "||", "&&", ";", "&"})


def name_of(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def of(*languages: str, run: bool | None = None) -> list[Block]:
    """The blocks in these languages; with `run`, those that are run here, or those that are not."""
    return [
        block
        for block in BLOCKS
        if block.language in languages and run in (None, block.excuse is None and block.needs is None)
    ]


def each(*languages: str, run: bool | None = None) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", of(*languages, run=run), ids=name_of)


def test_every_fence_belongs_to_a_block() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)

        assert len(fences) == 2 * sum(block.page == page for block in BLOCKS), page


def test_every_block_is_run_or_read_or_made_or_has_a_known_excuse() -> None:
    assert [name_of(block) for block in BLOCKS if treatment(block, MADE_PAGES) is None] == []


def test_every_excuse_that_is_known_is_needed() -> None:
    assert {block.excuse.partition(";")[0] for block in BLOCKS if block.excuse is not None} == set(EXCUSES)


def test_what_another_test_reads_is_read_by_one_that_there_is() -> None:
    for block in BLOCKS:
        if block.reader is not None:
            file, _, test = block.reader.partition("::")
            names = re.findall(r"^(?:async )?def (\w+)", (ROOT / file).read_text(), re.MULTILINE)
            assert test in names, f"{name_of(block)}: there is no {block.reader}"


TYPED_ELSEWHERE = {"torch": "tests/training/local/test_pages.py", "a login": "tests/logins/test_pages.py"}
"""What types the blocks that need something; `make test-train` runs the first."""


def test_what_needs_something_is_of_a_page_that_the_tests_that_have_it_type() -> None:
    needing = [block for block in BLOCKS if block.needs is not None]

    assert {block.needs for block in needing} == TYPED_ELSEWHERE.keys()
    for block in needing:
        there = (ROOT / TYPED_ELSEWHERE[block.needs or ""]).read_text()
        assert f'"{block.page.relative_to(ROOT / "docs")}"' in there, name_of(block)
    assert {block.language for block in needing} <= {*SHELL, *PYTHON}


# What is typed into a shell.


@pytest.mark.parametrize(
    "page",
    sorted({block.page for block in of(*SHELL, run=True)}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_tells_to_type_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    typed = Shell(tmp_path).type(block for block in of(*SHELL, run=True) if block.page == page)

    assert typed.code == 0, typed.printed
    assert typed.wrong == (), "\n".join(typed.wrong)


@each(*SHELL, run=False)
def test_what_is_not_typed_here_is_a_script_with_commands_that_there_are(block: Block) -> None:
    script = "\n".join(step.script for step in steps(block))

    assert subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).stderr == b""
    for program, *words in commands(script):
        if program == "toolhone":
            _parse(words)
        elif program == "make":
            subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, check=True)
        elif program.startswith("python") and words[0].endswith(".py"):
            assert_options_are_known(words)
        elif program == "pip":
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert {found[1] for word in words if (found := re.match(r"toolhone\[(\w+)\]", word))} <= set(
                extras
            )


def assert_options_are_known(words: list[str]) -> None:
    """That a script of the repository has the options that it is given."""
    file, *arguments = words
    given = {word for word in arguments if word.startswith("--")}

    assert given - options(ROOT / file) == set(), file


@cache
def options(file: Path) -> set[str]:
    """The options of a script, its own and those that the files beside it add."""
    text = file.read_text()
    beside = [
        text_of.read_text()
        for name in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
        if (text_of := file.with_name(f"{name}.py")).exists()
    ]
    return set(re.findall(r"\"(--[\w-]+)\"", "".join((text, *beside))))


def test_scripts_that_are_named_in_passing_have_the_options_that_are_named() -> None:
    codes = chain.from_iterable(INLINE.findall(page.read_text(encoding="utf-8")) for page in PAGES)
    named = [shlex.split(code)[1:] for code in codes if re.match(r"\S*python3? [\w/]+\.py\b", code)]
    for words in named:
        assert_options_are_known(words)

    assert len(named) > 20


def commands(script: str) -> Iterator[list[str]]:
    """The name and the words of each program that a script runs."""
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
            if one:
                ends = [index for index, word in enumerate(one) if re.match(r"\d?[<>]", word)]
                yield [Path(one[0]).name, *one[1 : ends[0] if ends else None]]
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

    assert sum(program == "toolhone" for program, *_ in found) >= 40


# Python.


@pytest.mark.parametrize(
    "page",
    sorted({block.page for block in of(*PYTHON, run=True)}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    code, printed = Shell(tmp_path).python(block for block in of(*PYTHON, run=True) if block.page == page)

    assert code == 0, printed


def test_python_that_is_not_run_here_is_python_and_imports_what_there_is() -> None:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for block in of(*PYTHON, run=False):
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
        (tmp_path / f"{value['name']}.json").write_text(block.text)
        # The function that the page has in mind.
        (tmp_path / "shipping.py").write_text("def cost(weight_kg: float) -> float:\n    return weight_kg\n")
        assert check_folder(tmp_path, {}) == []


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
def test_prometheus_scrapes_a_server_as_yaml_says(block: Block, tmp_path: Path) -> None:
    (job,) = yaml.safe_load(block.text)["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    here, token = f"127.0.0.1:{free_port()}", tmp_path / Path(job["authorization"]["credentials_file"]).name
    shell = Shell(tmp_path)
    scraped = f"http://{here}{job.get('metrics_path', '/metrics')}"
    script = f"""set -e
        toolhone serve --http {here} 2> served.log &
        {ready(here)}
        toolhone tokens issue --role operator > {token}
        curl -s -f -o metrics.txt -H "Authorization: Bearer $(cat {token})" {scraped}"""

    code, printed = shell.run(["bash", "-c", script])

    assert code == 0, printed
    assert target == "127.0.0.1:8000"
    families = text_string_to_metric_families((shell.work / "metrics.txt").read_text())
    assert "toolhone_build_info" in {family.name for family in families}


@each("nginx")
def test_nginx_passes_on_to_the_address_that_is_served(block: Block) -> None:
    served = re.search(r"^toolhone serve --http (\S+)$", block.page.read_text(), re.MULTILINE)
    lines = [line for line in block.text.splitlines() if not line.lstrip().startswith("#")]

    assert served is not None and f"proxy_pass http://{served[1]};" in block.text
    assert [line for line in lines if not line.endswith((";", "{", "}"))] == []
    assert block.text.count("{") == block.text.count("}")


def test_docker_is_told_of_the_port_and_the_folders_that_the_image_has() -> None:
    image = (ROOT / "Dockerfile").read_text()
    (block,) = [block for block in of("sh") if "docker run" in block.text]
    (words,) = [words for words in commands(block.text) if words[:2] == ["docker", "run"]]
    values = {option: words[place + 1] for place, option in enumerate(words) if option.startswith("--p")}
    mounted = [words[place + 1].split(":")[1] for place, word in enumerate(words) if word == "--volume"]

    assert f"EXPOSE {values['--publish'].rpartition(':')[2]}\n" in image
    assert mounted == ["/data", "/config/toolhone/mcp.json"]
    assert (
        'VOLUME ["/data"]' in image
        and "XDG_CONFIG_HOME=/config " in image
        and "TOOLHONE_DATA=/data " in image
    )


def test_systemd_starts_what_the_page_installs() -> None:
    (block,) = [block for block in of("sh") if "systemctl" in block.text]
    (unit,) = re.findall(r"packaging/systemd/\S+\.service", block.text)
    installed = re.findall(r"-m venv (\S+)", block.text)

    assert f"ExecStart={installed[0]}/bin/toolhone serve " in (ROOT / unit).read_text()
    assert f"enable --now {Path(unit).stem}\n" in block.text


def test_the_inspector_that_a_page_names_is_the_one_that_is_typed_here() -> None:
    versions = re.findall(r"@modelcontextprotocol/inspector@(\S+)", (ROOT / "docs/hosts.md").read_text())
    wanted = json.loads((ROOT / "tests/node/package.json").read_text())["dependencies"]

    assert versions == [wanted["@modelcontextprotocol/inspector"]]


@pytest.mark.parametrize(
    "block",
    [block for block in of("text") if block.page not in MADE_PAGES and block.reader is None],
    ids=name_of,
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
