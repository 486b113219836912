"""Write the pages that are made from the code, or say with --check which are stale.

python -m documentation [--check]
"""

import sys
from collections.abc import Callable
from pathlib import Path

from documentation import commands, configuration, errors, protocol, rest
from toolhone.server import permissions_table

DOCS = Path(__file__).parents[1] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "permissions.md": permissions_table.rendered,
    "reference/commands.md": commands.rendered,
    "reference/settings.md": configuration.rendered,
    "reference/rest.md": rest.rendered,
    "reference/rest-bodies.md": rest.bodies,
    "reference/mcp.md": protocol.rendered,
    "reference/errors.md": errors.rendered,
}


def main(arguments: list[str]) -> int:
    stale = [
        name
        for name, made in PAGES.items()
        if not (page := DOCS / name).exists() or page.read_text(encoding="utf-8") != made()
    ]
    if arguments == ["--check"]:
        sys.stderr.writelines(
            f"docs/{name} is not what the code says; run: make reference\n" for name in stale
        )
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stderr.write(f"wrote docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
