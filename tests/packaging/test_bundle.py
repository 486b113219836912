"""The bundle for Claude Desktop: valid, and with everything in it that serving takes."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from toolhone import __version__
from toolhone.models import Json, JsonObject
from toolhone.server.definitions import INPUT_SCHEMAS

ROOT = Path(__file__).parents[2]
NODE = ROOT / "packaging" / "node"
HOST = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
import { readFileSync } from "node:fs";
const [manifest, path, choices] = process.argv.slice(-3);
const config = await getMcpConfigForManifest({
  manifest: JSON.parse(readFileSync(manifest)), extensionPath: path, systemDirs: {},
  userConfig: JSON.parse(choices), pathSeparator: "/",
});
console.log(JSON.stringify(config));
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, unpacked as a host does."""
    folder = tmp_path_factory.mktemp("bundle")
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, ROOT / "packaging/mcpb/build.py", folder / "toolhone.mcpb"],
        env=path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passes" in done.stdout
    with zipfile.ZipFile(folder / "toolhone.mcpb") as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


def as_the_host_starts_it(bundle: Path, choices: JsonObject) -> JsonObject:
    """Command, arguments and environment, by the code that hosts fill a manifest in with."""
    done = subprocess.run(
        ["node", "--input-type=module", "-", str(bundle / "manifest.json"), str(bundle), json.dumps(choices)],
        input=HOST,
        cwd=NODE,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_says_its_version_and_the_tools_of_an_agent(bundle: Path) -> None:
    manifest: Json = json.loads((bundle / "manifest.json").read_text())

    assert manifest["version"] == __version__
    assert {tool["name"] for tool in manifest["tools"]} == set(INPUT_SCHEMAS)
    assert (bundle / manifest["server"]["entry_point"]).is_file()


def test_its_project_is_the_package_without_what_developers_need(bundle: Path) -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    reduced = tomllib.loads((bundle / "pyproject.toml").read_text())

    assert reduced["project"] == ours["project"]
    assert reduced["build-system"] == ours["build-system"]
    assert set(reduced["tool"]) == {"hatch"} and "dependency-groups" not in reduced
    assert not list(bundle.rglob("__pycache__"))
    for name in (reduced["project"]["readme"], *reduced["project"]["license-files"]):
        assert (bundle / name).is_file()


def test_what_the_user_leaves_empty_is_left_to_toolhone(bundle: Path) -> None:
    config = as_the_host_starts_it(bundle, {})

    assert config["env"] == {
        "TOOLHONE_CONFIG": "",
        "TOOLHONE_REGISTRY": "",
        "TOOLHONE_DATA": "",
        "TOOLHONE_ROLE": "agent",
    }
    assert config["command"] == "uv" and str(bundle) in config["args"]
    assert "${" not in json.dumps(config)


def test_it_serves_what_the_user_chose(bundle: Path, tmp_path: Path) -> None:
    config = as_the_host_starts_it(
        bundle, {"registry": str(ROOT / "tool_registry"), "data": str(tmp_path / "data")}
    )
    arguments = config["args"][config["args"].index("toolhone") + 1 :]

    async def main() -> str:
        # In place of uv, which would fetch the libraries: the source of the bundle, with ours.
        host = StdioServerParameters(
            command=sys.executable,
            args=["-m", "toolhone", *arguments],
            cwd=str(bundle / "src"),
            env={**config["env"], "PYTHONPATH": str(bundle / "src"), "XDG_CONFIG_HOME": str(tmp_path)},
        )
        with anyio.fail_after(60):
            async with Client(host) as client:
                answer = await client.call_tool("find_tools", {"task": "weather in Oslo"})
                return json.dumps(answer.structured_content)

    assert "get_weather" in anyio.run(main)
    assert (tmp_path / "data" / "audit.db").exists()
