"""The documentation names everything there is, and nothing that is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from toolhone.cli import toolhone
from toolhone.server.definitions import INPUT_SCHEMAS
from toolhone.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
PAGES = sorted(
    {
        *(
            page
            for folder in ("", "examples", "benchmarks", "tool_registry", "encoder")
            for page in (ROOT / folder).glob("*.md")
        ),
        *(ROOT / "docs").rglob("*.md"),
    }
)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
EVERYTHING = "\n".join(TEXTS.values())


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*path, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


@pytest.mark.parametrize("path", list(commands(toolhone)), ids=" ".join)
def test_every_command_is_in_the_reference(path: tuple[str, ...]) -> None:
    assert re.search(rf"^#+ toolhone {' '.join(path)}$", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", [path[0] for path in commands(toolhone) if len(path) == 1])
def test_every_command_of_the_first_level_is_in_the_readme(name: str) -> None:
    assert f"`toolhone {name}`" in README


@pytest.mark.parametrize("tool", INPUT_SCHEMAS)
def test_every_tool_is_in_the_readme(tool: str) -> None:
    assert f"`{tool}`" in README


def test_no_command_is_documented_that_is_not_there() -> None:
    known = {path[0] for path in commands(toolhone)}
    # What stands in blocks is parsed by the tests of documentation/.
    code = re.findall(r"`[^`\n]+`", EVERYTHING)
    named = {name for part in code for name in re.findall(r"(?:^|[\s`/$])toolhone ([a-z]+)\b", part)}

    assert named - known == set()


@pytest.mark.parametrize("name", [*Settings.model_fields, "settings"])
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"\b{PREFIX}{name.upper()}\b", EVERYTHING)


def test_no_setting_is_documented_that_is_not_there() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in [*Settings.model_fields, "settings"]}

    assert set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", EVERYTHING)) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    wrong: list[str] = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)

    assert wrong == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_the_repository_that_is_named_exists(page: Path) -> None:
    named = re.findall(
        r"(?<![\w./-])((?:benchmarks|examples|src|tests|tool_registry|requirements)/[\w./-]*\w\.\w+)",
        TEXTS[page],
    )

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"```.*?```|`[^`\n]+`", EVERYTHING, re.DOTALL)
    named = {name for part in code for name in re.findall(r"(?:^|[\s`])make ([a-z-]+)", part)}

    assert named - targets == set()


def test_the_map_shows_every_package_and_nothing_that_is_not_there() -> None:
    blocks = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    (shown,) = [block for block in blocks if "src/toolhone/" in block]
    names = set(re.findall(r"[\w/]+(?:/|\.py)(?!\w)", shown))
    package = ROOT / "src" / "toolhone"
    packages = {f"{folder.name}/" for folder in package.iterdir() if (folder / "__init__.py").exists()}

    assert packages - names == set()
    assert [
        name for name in names if not any((base / name).exists() for base in (ROOT, package, ROOT / "tests"))
    ] == []
