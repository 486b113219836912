"""What the pages say about logins is typed, at a server that asks for one."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from documentation.blocks import blocks
from documentation.shell import Shell

if TYPE_CHECKING:
    from logins.login_server import LoginServer

DOCS = Path(__file__).parents[2] / "docs"

BROWSER = "curl --silent --show-error --fail --location --output /dev/null %s"
"""Of a person who agrees to everything."""


@pytest.mark.parametrize("page", ["logins.md", "servers.md"])
def test_a_person_logs_in_and_out(page: str, protected: "LoginServer", tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.environ |= {"BROWSER": BROWSER, "DISPLAY": ":0"}
    given = {
        "https://docs.example.org/mcp": protected.mcp,
        "https://login.example.org": protected.authorization.url,
    }
    typed = shell.type([one for one in blocks(DOCS / page) if one.needs == "a login"], given=given)

    assert typed.code == 0, typed.printed
    assert typed.wrong == (), "\n".join(typed.wrong)
    assert "Logged in to docs for read." in typed.printed
    assert "Logged out of docs." in typed.printed
