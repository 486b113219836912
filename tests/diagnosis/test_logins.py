"""What the doctor says of logins at downstream servers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolhone.diagnosis.findings import Finding, Health
from toolhone.diagnosis.logins import logins
from toolhone.models import Json
from toolhone.records.grants import Grant
from toolhone.registry.config import ServerEntry, load_servers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://docs.example.org/mcp"
TOKENS = {"access_token": "the-secret", "token_type": "Bearer", "expires_in": 3600}
RENEWABLE = {**TOKENS, "refresh_token": "the-other-secret"}
MACHINE = {
    "grantType": "client_credentials",
    "clientId": "us",
    "clientSecret": "x",
    "issuer": "https://login.example.org",
}


def granted(**changes: Json) -> Grant:
    kept = Grant(
        server="our docs",
        url=URL,
        client=None,
        tokens=TOKENS,
        found={},
        granted_at="2026-02-01T00:00:00.000000+00:00",
        granted_by="local",
    )
    return replace(kept, **changes)


def in_minutes(minutes: float) -> float:
    return (NOW + timedelta(minutes=minutes)).timestamp()


def entries(folder: Path, **entry: Json) -> Sequence[ServerEntry]:
    file = folder / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"our docs": {"url": URL, **entry}}}))
    return load_servers(file, {}).entries


def told(found: Finding) -> str:
    return f"{found.health.value}: {found.what}"


@pytest.mark.parametrize(
    ("grant", "entry", "expected"),
    [
        (granted(tokens=RENEWABLE), {}, "ok: logged in at our docs since 2026-02-01; it renews itself"),
        (granted(), {}, "ok: logged in at our docs since 2026-02-01; nothing says until when"),
        (
            granted(renew_at=in_minutes(10)),
            {},
            "ok: logged in at our docs since 2026-02-01; until 2026-03-01 12:10 UTC",
        ),
        (
            granted(renew_at=1e15),
            {},
            "ok: logged in at our docs since 2026-02-01; until the end of time",
        ),
        (
            granted(renew_at=in_minutes(-10)),
            {},
            "problem: the login at our docs ended at 2026-03-01 11:50 UTC.",
        ),
        (granted(tokens=None), {}, "problem: the login at our docs is over."),
        (granted(tokens=None), {"oauth": MACHINE}, "ok: toolhone logs in at our docs by itself"),
        (granted(), {"disabled": True}, "ok: a login at our docs is kept; the server is disabled"),
        (
            granted(),
            {"headers": {"X-Team": "${NOT_SET}"}},
            "ok: a login at our docs is kept; its entry cannot be read as it is",
        ),
        (
            granted(),
            {"oauth": False},
            "warning: a login at our docs is kept, but its entry uses none.",
        ),
        (granted(server="gone"), {}, "warning: a login at gone is kept, but no server is called so."),
        (
            granted(url="https://elsewhere.example.org/mcp"),
            {},
            "warning: the login at our docs is for another address of it.",
        ),
    ],
)
def test_each_login_is_told_with_how_to_mend_it(
    tmp_path: Path, grant: Grant, entry: Json, expected: str
) -> None:
    (found,) = logins(entries(tmp_path, **entry), [grant], NOW)
    assert told(found) == expected
    assert (found.mend is None) == (found.health is Health.OK)
    assert "secret" not in str(found.as_json())


def test_no_mend_costs_a_login_that_is_used(tmp_path: Path) -> None:
    former = granted(url="https://elsewhere.example.org/mcp")
    found = list(logins(entries(tmp_path), [former, granted(tokens=RENEWABLE)], NOW))
    assert [told(one) for one in found] == [
        "ok: a login at another address of our docs is kept, too; it is not used",
        "ok: logged in at our docs since 2026-02-01; it renews itself",
    ]


def test_mends_are_commands_for_a_shell(tmp_path: Path) -> None:
    (over,) = logins(entries(tmp_path), [granted(tokens=None)], NOW)
    assert over.mend == "toolhone servers login 'our docs'"
    (unused,) = logins(entries(tmp_path, oauth=False), [granted()], NOW)
    assert unused.mend == "toolhone servers logout 'our docs'"


def test_without_a_servers_file_nothing_is_called_wrong() -> None:
    (found,) = logins(None, [granted(tokens=None)], NOW)
    assert told(found) == "ok: a login at our docs is kept"


def test_without_logins_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(logins(entries(tmp_path), [], NOW)) == []
