"""Whether the logins at downstream servers that are kept are good yet, as far as the data folder says."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.records.grants import Grant
from toolhone.registry.config import Endpoint, ServerEntry


def logins(entries: Sequence[ServerEntry], grants: Sequence[Grant], now: datetime) -> Iterator[Finding]:
    """What became of each login. That nobody logged in to a server is no news: few ask for it."""
    configured = {
        (entry.name, entry.target.url): entry.target.oauth
        for entry in entries
        if isinstance(entry.target, Endpoint)
    }
    for grant in grants:
        oauth = configured.get((grant.server, grant.url))
        server = shlex.quote(grant.server)
        if oauth is None:
            yield warning(
                "logins",
                f"a login at {grant.server} is kept, but no server of this name and address asks for it.",
                f"toolhone servers logout {server}",
            )
        elif oauth.machine:
            yield ok("logins", f"toolhone logs in at {grant.server} by itself")
        elif grant.tokens is None:
            yield _over(grant, "is over")
        elif grant.can_be_renewed or grant.ends_at is None:
            how = "it renews itself" if grant.can_be_renewed else "nothing says until when"
            yield ok("logins", f"logged in at {grant.server} since {grant.granted_at[:10]}; {how}")
        else:
            end = datetime.fromtimestamp(grant.ends_at, UTC)
            told = f"{end:%Y-%m-%d %H:%M} UTC"
            if end <= now:
                yield _over(grant, f"ended at {told}")
            else:
                yield ok("logins", f"logged in at {grant.server} until {told}")


def _over(grant: Grant, how: str) -> Finding:
    mend = f"toolhone servers login {shlex.quote(grant.server)}"
    return problem("logins", f"the login at {grant.server} {how}.", mend)
