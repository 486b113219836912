"""The wheel, built from the source distribution and used far from the checkout."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import httpx2
import pytest

from toolhone import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "toolhone"
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TOOLHONE_", "PYTHON"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**own, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("dist")
    run(
        *(BIN / "uv", "build", "--quiet", "--offline", "--no-build-isolation", "--no-config"),
        *("--python", sys.executable, "--out-dir", folder, ROOT),
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """A fresh environment with the wheel in it. The libraries are lent by the environment of the tests."""
    folder = built / "venv"
    run(
        BIN / "uv",
        "venv",
        "--quiet",
        "--offline",
        "--no-config",
        "--python",
        sys.executable,
        folder,
        cwd=built,
    )
    (wheel,) = built.glob("*.whl")
    run(
        *(BIN / "uv", "pip", "install", "--quiet", "--offline", "--no-config", "--no-deps"),
        *("--python", folder / "bin" / "python", wheel),
        cwd=built,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    # A path in a .pth file is only appended: the editable toolhone of the tests is not found through it.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def test_the_wheel_has_every_file_of_the_package_and_its_version(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        there = {name for name in wheel.namelist() if name.startswith("toolhone/")}
    files = {
        f"toolhone/{file.relative_to(PACKAGE)}"
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert there == files
    assert {"toolhone/selection/assets/encoder/encoder.onnx", "toolhone/training/prices.toml"} <= there
    assert path.name.startswith(f"toolhone-{__version__}-py3-none-any")


def test_the_source_distribution_has_the_licence_the_tests_and_the_tools(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as source:
        names = {name.partition("/")[2] for name in source.getnames()}

    assert {"LICENSE", "NOTICE", "CHANGELOG.md", "tests/conftest.py", "tool_registry/calculate.json"} <= names
    assert not any(name.startswith((".venv", "dist/", ".git/")) for name in names)


def test_the_installed_command_finds_tools_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    toolhone = installed / "bin" / "toolhone"
    own = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}

    version = run(toolhone, "--version", cwd=tmp_path, **own)
    where = run(installed / "bin/python", "-c", "import toolhone; print(toolhone.__file__)", cwd=tmp_path)
    found = json.loads(
        run(
            *(toolhone, "find", "what is the weather like in Oslo", "--json"),
            *("--registry", ROOT / "tool_registry"),
            cwd=tmp_path,
            **own,
        )
    )

    assert version == f"toolhone, version {__version__}\n"
    assert Path(where.strip()).is_relative_to(installed)
    assert found["tools"][0]["name"] == "get_weather"


def test_the_installed_command_serves_pages_with_all_that_they_load(installed: Path, tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TOOLHONE_", "PYTHON"))}
    server = subprocess.Popen(
        [installed / "bin" / "toolhone", "serve", "--http", "127.0.0.1:0", "--data", tmp_path / "data"],
        cwd=tmp_path,
        env={**own, "XDG_CONFIG_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        # It ends by itself if it cannot listen, and then says no address.
        address = next(found[0] for line in server.stderr if (found := re.search(r"http://[\w.]+:\d+", line)))
        page = httpx2.get(f"{address}/login", timeout=60)
        assets = set(re.findall(r"(?:href|src)=\"(/static/[^\"]+)\"", page.text))
        answers = {asset: httpx2.get(f"{address}{asset}", timeout=60).status_code for asset in assets}
    finally:
        server.kill()
        server.wait(60)
        server.stderr.close()

    assert page.status_code == 200
    assert answers and set(answers.values()) == {200}, answers
