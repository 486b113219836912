"""Whether the logins at downstream servers that are kept are good yet, as far as the data folder says."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.records.grants import Grant
from toolhone.registry.config import Endpoint, ServerEntry


def logins(
    entries: Sequence[ServerEntry] | None, grants: Sequence[Grant], now: datetime
) -> Iterator[Finding]:
    """What became of each login. That nobody logged in to a server is no news: few ask for it.

    Args:
        entries: What the servers file says; `None` if that is not known.
    """
    for grant in grants:
        if entries is None:
            yield ok("logins", f"a login at {grant.server} is kept")
            continue
        entry = next((one for one in entries if one.name == grant.server), None)
        used = {one.url for one in grants if one.server == grant.server}
        yield _of(grant, entry, now, others=used - {grant.url})


def _of(grant: Grant, entry: ServerEntry | None, now: datetime, *, others: set[str]) -> Finding:
    server = grant.server
    login, logout = (f"toolhone servers {word} {shlex.quote(server)}" for word in ("login", "logout"))
    if entry is None:
        return warning("logins", f"a login at {server} is kept, but no server is called so.", logout)
    if entry.target is None:
        why = "the server is disabled" if entry.disabled else "its entry cannot be read as it is"
        return ok("logins", f"a login at {server} is kept; {why}")
    if not isinstance(entry.target, Endpoint) or entry.target.oauth is None:
        return warning("logins", f"a login at {server} is kept, but its entry uses none.", logout)
    if entry.target.url in others:
        return ok("logins", f"a login at another address of {server} is kept, too; it is not used")
    if entry.target.url != grant.url:
        return warning("logins", f"the login at {server} is for another address of it.", login)
    if entry.target.oauth.machine:
        return ok("logins", f"toolhone logs in at {server} by itself")
    if grant.tokens is None:
        return problem("logins", f"the login at {server} is over.", login)
    if grant.can_be_renewed:
        return ok("logins", f"logged in at {server} since {grant.granted_at[:10]}; it renews itself")
    if grant.ends_at is not None and grant.ends_at <= now.timestamp():
        return problem("logins", f"the login at {server} ended at {_told(grant.ends_at)}.", login)
    until = "nothing says until when" if grant.ends_at is None else f"until {_told(grant.ends_at)}"
    return ok("logins", f"logged in at {server} since {grant.granted_at[:10]}; {until}")


def _told(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):  # some servers say so much that it means never
        return "the end of time"
