"""The site is built without a warning, leads everywhere, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from documentation.site import relinked

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_documentation_is_on_the_site(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]
    outside = [Path(f"{name}.html") for name in ("changelog", "contributing", "reporting", "encoder")]

    assert [str(page) for page in (*pages, *outside) if not (site / page).exists()] == []


def test_what_pages_say_to_the_tests_is_not_on_the_site(site: Path) -> None:
    text = (site / "hosts.html").read_text(encoding="utf-8")

    assert "toolhone install --client cursor" in re.sub(r"<[^>]+>", "", text)
    assert "<!-- after:" in (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    assert re.findall(r"<!-- (?:not run|read by|needs|before|after):", text) == []


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded: set[str] = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded |= set(re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\s\">]+)", text))
        for link in re.findall(r"<link[^>]*>", text):
            loaded |= set(re.findall(r"href=\"?([^\s\">]+)", link))
    for sheet in site.rglob("*.css"):
        loaded |= set(re.findall(r"url\(\"?([^)\"]+)", sheet.read_text(encoding="utf-8")))

    assert len(loaded) > 5
    assert [one for one in loaded if re.match(r"(https?:)?//", one)] == []


@pytest.mark.parametrize(
    ("source", "name", "text", "expected"),
    [
        ("docs/security.md", "security.md", "[a](../SECURITY.md)", "[a](reporting.md)"),
        ("SECURITY.md", "reporting.md", "[a](docs/security.md#threats)", "[a](security.md#threats)"),
        ("docs/a/b.md", "a/b.md", "[a](../security.md)", "[a](../security.md)"),
        ("CONTRIBUTING.md", "contributing.md", "[a](README.md)", "[a](index.md)"),
        ("docs/a.md", "a.md", "[`b`](../src/b.py) and `[c](d.py)`", "`b` and `[c](d.py)`"),
        ("docs/a.md", "a.md", "[x](https://example.org) [y](#here)", "[x](https://example.org) [y](#here)"),
        ("docs/a.md", "a.md", "```md\n[a](../src/b.py)\n```", "```md\n[a](../src/b.py)\n```"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(
    source: str, name: str, text: str, expected: str
) -> None:
    pages = {"security.md", "reporting.md", "index.md", "a/b.md", "a.md"}

    assert relinked(text, source, name, pages) == expected
