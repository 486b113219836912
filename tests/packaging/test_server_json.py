"""`server.json`, as the MCP registry's schema of 2025-12-11 wants it, and true of this package."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from toolhone import __version__
from toolhone.models import Json
from toolhone.roles import Role
from toolhone.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
SERVER: Json = json.loads((ROOT / "server.json").read_text())
(PACKAGE,) = SERVER["packages"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VARIABLES = PACKAGE["environmentVariables"]


def test_the_fields_that_the_schema_asks_for_are_there_and_no_others() -> None:
    assert SERVER["$schema"] == "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    assert set(SERVER) == {"$schema", "name", "title", "description", "version", "packages"}
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 3 <= len(SERVER["name"]) <= 200
    assert 1 <= len(SERVER["description"]) <= 100
    assert 1 <= len(SERVER["title"]) <= 100
    assert set(PACKAGE) == {
        *("registryType", "registryBaseUrl", "identifier", "version", "runtimeHint", "transport"),
        *("packageArguments", "environmentVariables"),
    }
    assert PACKAGE["transport"] == {"type": "stdio"}
    assert [set(argument) for argument in PACKAGE["packageArguments"]] == [{"type", "value"}]


def test_it_names_this_package_in_its_exact_version() -> None:
    assert PACKAGE["registryType"] == "pypi"
    assert PACKAGE["identifier"] == PROJECT["name"]
    assert SERVER["version"] == PACKAGE["version"] == __version__


def test_what_it_runs_is_the_command_of_the_package() -> None:
    # uvx runs the command that is named like the package.
    assert PACKAGE["runtimeHint"] == "uvx"
    assert PACKAGE["identifier"] in PROJECT["scripts"]
    assert [argument["value"] for argument in PACKAGE["packageArguments"]] == ["serve"]


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable["name"])
def test_its_variables_are_settings(variable: Json) -> None:
    name = variable["name"].removeprefix(PREFIX).lower()

    assert name in Settings.model_fields
    assert set(variable) <= {"name", "description", "format", "choices", "default", "isRequired", "isSecret"}
    assert variable.get("format", "string") in {"string", "number", "boolean", "filepath"}
    if name == "role":
        assert variable["choices"] == [role.value for role in Role]
        assert variable["default"] == Settings.model_fields["role"].default.value


def test_the_readme_claims_the_name_for_the_registry() -> None:
    assert f"<!-- mcp-name: {SERVER['name']} -->" in (ROOT / "README.md").read_text()
