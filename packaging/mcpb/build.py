"""Packs toolhone as a bundle for Claude Desktop: its source, its manifest, and what uv needs to run it.

    python packaging/mcpb/build.py [FILE]          writes dist/toolhone.mcpb unless FILE is named

The bundle has the package and its encoder; its dependencies are fetched by uv when it is installed.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toolhone import __version__
from toolhone.models import Json, JsonObject
from toolhone.server.definitions import listing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MCPB = ROOT / "packaging/node/node_modules/.bin/mcpb"
BUNDLE = ROOT / "dist/toolhone.mcpb"

KEPT = {
    "build-system",
    "project",
    "project.optional-dependencies",
    "project.scripts",
    "tool.hatch.version",
    "tool.hatch.build.targets.wheel",
}
"""The tables of pyproject.toml that the package itself needs."""


def stage(folder: Path) -> None:
    """Put everything that goes into the bundle into the folder."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(reduced(pyproject), encoding="utf-8")
    manifest = json.dumps(filled_manifest(), indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(f"{manifest}\n", encoding="utf-8")


def reduced(pyproject: str) -> str:
    """The project file without what only its developers need."""
    tables = re.split(r"^(?=\[[^\[\]]+\]$|\[\[)", pyproject, flags=re.MULTILINE)
    return "".join(table for table in tables if table.partition("]")[0].lstrip("[") in KEPT)


def filled_manifest() -> JsonObject:
    """The manifest with what the code knows: the version, and the tools of an agent."""
    manifest: JsonObject = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    tools: list[Json] = [
        {"name": tool.name, "description": (tool.description or "").partition(". ")[0]}
        for tool in listing([])
    ]
    return {**manifest, "version": __version__, "tools": tools}


def main(bundle: Path) -> None:
    """Write the bundle."""
    bundle.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stage(folder)
        subprocess.run([MCPB, "validate", folder / "manifest.json"], check=True)
        subprocess.run([MCPB, "pack", folder, bundle], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLE)
