"""What mkdocs needs besides mkdocs.yml: pages from outside docs/, and links that fit the site.

The pages are written to be read in the repository as well. There a link may lead to any file; on the site it
leads to a page, or is only its text.
"""

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from documentation.blocks import NOTE

ROOT = Path(__file__).parents[1]

OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "encoder/README.md": "encoder.md",
}
"""Pages of the repository that are not in docs/, and what they are called on the site."""

ELSEWHERE = {"README.md": "index.md", "encoder": "encoder.md"}
"""Links that have a page of the site in their place."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s:]+)\)")
_FENCED = re.compile(r"(^ *```.*?^ *```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are outside docs/."""
    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let every link lead to a page of the site, or be text; leave out what the pages say to the tests."""
    known = {name: source for source, name in OUTSIDE.items()}
    name = page.file.src_uri
    return relinked(
        NOTE.sub("", markdown), known.get(name, f"docs/{name}"), name, {file.src_uri for file in files}
    )


def relinked(markdown: str, source: str, name: str, pages: set[str]) -> str:
    """The text of a page with the links of the site; code stays as it is.

    Args:
        source: Where the page is in the repository.
        name: Where it is on the site.
        pages: Everything that there is on the site.
    """

    def link(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, fragment = target.partition("#")
        if not path:
            return found[0]
        place = os.path.normpath(PurePosixPath(source).parent / path).replace(os.sep, "/")
        there = OUTSIDE.get(place) or ELSEWHERE.get(place) or place.removeprefix("docs/")
        if there not in pages:
            return text
        relative = os.path.relpath(there, PurePosixPath(name).parent).replace(os.sep, "/")
        return f"[{text}]({relative}{'#' if fragment else ''}{fragment})"

    # Code stands in the text of links too, so it is put aside and back, not looked around.
    kept: list[str] = []

    def hidden(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    text = _LINK.sub(link, _FENCED.sub(hidden, markdown))
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)
