"""The house rules that no other tool checks: what a start imports, and how modules are written."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "toolhone"
MODULES = sorted(PACKAGE.rglob("*.py"))
TEXTS = {module: module.read_text(encoding="utf-8") for module in MODULES}

HEAVY = {
    *("numpy", "onnxruntime", "tokenizers", "torch", "sentence_transformers"),
    *("bpe_openai", "sqlite_utils", "rich", "jsonschema", "Stemmer"),
    *("prometheus_client", "fastapi", "jinja2"),
    *("dbos", "sqlalchemy", "openai", "rensa", "pyarrow", "transformers", "peft", "trl"),
}
"""Libraries that take long to import or much memory, and are needed later than the start, if at all."""

MOST_LINES = 400
DRAWERS = {"utils", "helpers", "common", "manager", "misc"}


def imported_by(code: str) -> set[str]:
    """The top-level modules that are there after this code ran in a fresh interpreter."""
    ask = f"{code}\nimport json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_starting_the_server_imports_nothing_heavy() -> None:
    # What the SDK itself imports cannot be helped.
    by_the_sdk = imported_by("import mcp")
    by_us = imported_by("import toolhone.cli.serve, toolhone.app, toolhone.server.stdio")

    assert (by_us - by_the_sdk) & HEAVY == set()
    assert "torch" not in by_us


def test_the_command_line_imports_the_sdk_only_to_run_something() -> None:
    by_help = imported_by("from toolhone.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")

    assert by_help & {"mcp", *HEAVY} == set()


def test_every_module_has_a_layer() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = configured["contracts"]
    layers = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    there = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert contract["exhaustive"] is True
    assert layers == there - {"__init__"}


def name_of(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def calls_of(module: Path) -> set[str]:
    """The plain names that are called in a module."""
    nodes = ast.walk(ast.parse(TEXTS[module]))
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_every_module_begins_with_a_sentence_about_its_one_job() -> None:
    docstrings = {module: ast.get_docstring(ast.parse(text)) or "" for module, text in TEXTS.items()}

    assert [
        name_of(module)
        for module, docstring in docstrings.items()
        if not docstring.partition("\n")[0].endswith((".", "?"))
    ] == []


def test_every_module_can_be_read_in_one_sitting() -> None:
    lines = {name_of(module): len(text.splitlines()) for module, text in TEXTS.items()}

    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_only_the_edges_read_the_environment() -> None:
    readers = {
        module.relative_to(PACKAGE).parts[0]
        for module, text in TEXTS.items()
        if re.search(r"\bos\.(environ|getenv)\b|\bload_settings\b", text)
    }

    assert readers <= {"app.py", "settings.py", "cli", "server", "finetuning.py"}


def test_nothing_is_printed_to_the_stdout_of_the_protocol() -> None:
    assert [name_of(module) for module in MODULES if "print" in calls_of(module)] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [module.stem for module in MODULES if module.stem in DRAWERS] == []
