"""What is around toolhone: hosts that start it, the port, tokens, proxies."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from toolhone.counted import counted
from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.exceptions import ConfigurationError, InvalidRequestError
from toolhone.hosts.installing import arguments_of, entry_paths, is_ours, servers_in
from toolhone.hosts.known import HOSTS, NAME, Host, project_file, user_file
from toolhone.models import Json
from toolhone.records.access import ApiToken, TokenState

SOON = timedelta(days=7)

_LOOPBACK = {"*", "127.0.0.1", "127.0.0.0/8"}


def hosts(environ: Mapping[str, str], home: Path, project: Path) -> Iterator[Finding]:
    """Whether toolhone is in the hosts' files, and whether what stands there still exists."""
    there = False
    for host in HOSTS.values():
        for file, option in _files(host, environ, home, project):
            if not file.exists():
                continue
            there = True
            yield from _file(host, file, option)
    if not there:
        yield warning(
            "hosts",
            "no host's file was found for this user or in this folder.",
            f"toolhone install --client {'|'.join(HOSTS)}",
        )


def _files(host: Host, environ: Mapping[str, str], home: Path, project: Path) -> Iterator[tuple[Path, str]]:
    users = None
    with contextlib.suppress(InvalidRequestError):  # not known on this platform
        users = user_file(host, environ, home)
        yield users, ""
    # In the home folder the two can be one file.
    if host.project_file is not None and (own := project_file(host, project)) != users:
        yield own, " --project ."


def _file(host: Host, file: Path, option: str) -> Iterator[Finding]:
    install = f"toolhone install --client {host.name}{option}"
    try:
        servers = servers_in(host, file)
    except ConfigurationError as exc:
        yield problem("hosts", f"{host.title}: {exc.message}", f"Mend {file}.")
        return
    ours = {name: entry for name, entry in servers.items() if name == NAME or is_ours(entry)}
    if not ours:
        yield warning("hosts", f"{host.title}: toolhone is not in {file}.", install)
        return
    gone = [path for entry in ours.values() for path in entry_paths(entry) if not Path(path).exists()]
    # The data folder is made when it is first needed.
    gone = [path for path in gone if not _follows_data(path, ours)]
    if gone:
        yield problem("hosts", f"{host.title}: {file} names {gone[0]}, which is not there.", install)
        return
    beside = len(servers) - len(ours)
    if beside:
        what = f"{host.title}: toolhone is in {file}, beside {beside} more whose tools the agent reads."
        yield warning("hosts", what, f"{install} --adopt")
    else:
        yield ok("hosts", f"{host.title}: toolhone is in {file}")


def _follows_data(path: str, entries: Mapping[str, Json]) -> bool:
    return any(("--data", path) in pairwise(arguments_of(entry)) for entry in entries.values())


def port(host: str, number: int) -> Iterator[Finding]:
    """Whether HTTP could be served there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, number), family=family).close()
    except OSError as exc:
        yield warning(
            "port",
            f"{host}:{number} is not free ({exc.strerror or exc}), unless toolhone itself is served there.",
            f"lsof -i :{number} shows who has it; toolhone serve --http takes another port",
        )
    else:
        yield ok("port", f"{host}:{number} is free")


def tokens(known: Sequence[ApiToken], now: datetime) -> Iterator[Finding]:
    """Whether there are tokens, and which will soon open nothing any more."""
    if not known:
        yield ok("tokens", "there are none; serve --http issues one at its first start")
        return
    moment, soon = (at.isoformat(timespec="microseconds") for at in (now, now + SOON))
    good = [token for token in known if token.state(moment) is TokenState.VALID]
    if not good:
        yield warning(
            "tokens",
            f"{counted(len(known), 'token')}, and none opens anything any more: revoked or expired. "
            "No start issues another.",
            "toolhone tokens issue --role admin",
        )
        return
    for token in good:
        if token.state(soon) is TokenState.EXPIRED:
            yield warning(
                "tokens",
                f"{token.token_id} ({token.role.value}) expires at {token.expires_at}.",
                f"toolhone tokens issue --role {token.role.value}",
            )
    yield ok("tokens", f"{len(good)} that open something")


def proxies(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a proxy comes between this machine and itself."""
    given = {name.lower(): value for name, value in environ.items() if value}
    schemes = [scheme for scheme in ("http", "https", "all") if f"{scheme}_proxy" in given]
    without = {part.strip() for part in given.get("no_proxy", "").split(",")}
    if not schemes:
        yield ok("proxies", "none are set")
    elif without & _LOOPBACK:
        yield ok("proxies", f"set for {', '.join(schemes)}, not for 127.0.0.1")
    else:
        yield warning(
            "proxies",
            f"a proxy for {', '.join(schemes)} is set, for 127.0.0.1 too. Clients that heed it do not "
            "reach a toolhone on this machine.",
            "export NO_PROXY=127.0.0.1,localhost",
        )
