"""The pages of the dashboard with a million audit rows, over HTTP, as a browser asks for them.

python benchmarks/audit_pages.py [--rows 1000000] [--data FOLDER] [--starts 3] [--rounds 20]

`toolhone serve --http` is started anew a few times on the same data folder, logs the client in by the address
that it prints once /ready says yes, and is asked for every page in turn: the overview first, as after a
login. FOLDER is filled once and used again; without it a folder is made for this run.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter
from urllib.parse import urlencode

import anyio
import httpx2
from audit_rows import TOOLS, fill
from figures import TOOLHONE, percentile
from rich.console import Console
from rich.table import Table

from server import resident_mb
from toolhone.figures import Figures
from toolhone.models import JsonObject, content_hash
from toolhone.registry.config import load_servers
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.catalogs import SqliteCatalogStore
from toolhone.storage.figures import SqliteFigureStore
from toolhone.stores import AuditQuery, StoredCatalog

ASKED = 200.0
"""Milliseconds within which every page is to answer."""

PATIENCE = 60.0

TASK = "Read what tool 14 of the second server knows about an order"

LOGIN = re.compile(r"(http://\S+)(/login\?code=\S+)")


def count(data: Path) -> None:
    """Bring the figures up to date, as a server that ran all the while has."""
    figures = Figures(lambda: SqliteFigureStore(data), lambda: SqliteAuditStore(data))

    async def all_of_it() -> None:
        while not (await figures.catch_up()).complete:
            pass
        await figures.aclose()

    began = perf_counter()
    anyio.run(all_of_it)
    size = (data / "figures.db").stat().st_size / 1e6
    print(f"figures brought up to date in {perf_counter() - began:.1f} s; figures.db {size:.1f} MB")


def configure(folder: Path, data: Path) -> Path:
    """A configuration of the servers in the audit, with their listings kept: none has to be started."""
    servers = sorted({server for _, server in TOOLS if server is not None})
    config = folder / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {name: {"command": "not-started"} for name in servers}}))
    store = SqliteCatalogStore(data)
    for entry in load_servers(config, os.environ).entries:
        tools: list[JsonObject] = [
            {
                "name": name.partition("__")[2],
                "description": f"Reads what {name} knows about an order or a customer.",
                "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}},
            }
            for name, server in TOOLS
            if server == entry.name
        ]
        store.save(
            StoredCatalog(
                server=entry.name,
                fingerprint=entry.fingerprint,
                content_hash=content_hash(tools),
                tools=tools,
                listed_at="2026-01-01T00:00:00+00:00",
            )
        )
    store.close()
    return config


def pages(data: Path) -> dict[str, str]:
    """The address of each page, by what it is called in the table."""
    store = SqliteAuditStore(data)
    newest = store.query(AuditQuery(limit=1))[0]["seq"]
    middle = store.query(AuditQuery(kinds=("call",), before=newest // 2, limit=1))[0]
    later = store.query(AuditQuery(before=newest // 2 + 2_000, limit=1))[0]
    store.close()
    often, rare = TOOLS[1][0], TOOLS[50][0]
    hour = {"window": "between", "since": middle["timestamp"], "until": later["timestamp"]}
    filters: Mapping[str, Mapping[str, object]] = {
        "newest": {},
        "from the middle": {"before": newest // 2},
        "back from the first rows": {"after": 1},
        "kind: call": {"kind": "call"},
        "kind: access (rare)": {"kind": "access"},
        "kind: model (none)": {"kind": "model"},
        "tool, often called": {"tool": often},
        "tool, rarely called": {"tool": rare},
        "server": {"server": "server3"},
        "caller": {"principal": "agent-7"},
        "failed": {"outcome": "failed"},
        "worked": {"outcome": "ok"},
        "error code": {"code": "timeout"},
        "last 24 hours": {"window": "24h"},
        "some hours in the middle": hour,
        "kind and caller": {"kind": "refusal", "principal": "agent-7"},
        "server, code and caller": {"server": "server3", "code": "timeout", "principal": "agent-7"},
        "tool and outcome": {"tool": rare, "outcome": "failed"},
        "filters that never meet": {"tool": rare, "server": "server3"},
        "the same in some hours": {"tool": rare, "server": "server3", **hour},
    }
    windows = {f"overview, {window}": f"/?window={window}" for window in ("1h", "24h", "7d", "30d")}
    return {
        "overview": "/",
        **windows,
        "servers": "/servers",
        "approvals": "/servers/approvals",
        "tools": "/tools",
        "a tool": f"/tools/{often}",
        "search, the form": "/tools/search",
        **{f"audit: {name}": f"/audit?{urlencode(chosen)}" for name, chosen in filters.items()},
        "audit: a request's timeline": f"/audit/requests/{middle['request_id']}",
        **{name: f"/{name}" for name in ("snapshots", "datasets", "jobs", "models", "comparisons")},
        **{name: f"/{name}" for name in ("selector", "access", "privacy", "settings")},
        # The form loads the model, while a task is typed.
        "search, a task": f"/tools/search?{urlencode({'task': TASK})}",
    }


@contextmanager
def serving(folder: Path, data: Path, config: Path) -> Generator[tuple[int, str, str]]:
    """A server on a port: its process id, its address, and the path that logs a browser in once."""
    log = folder / "toolhone.log"
    command = [str(TOOLHONE), "serve", "--http", "127.0.0.1:0", "--config", str(config)]
    command += ["--registry", str(folder / "registry"), "--data", str(data)]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            until = time.monotonic() + PATIENCE
            while (login := LOGIN.search(log.read_text())) is None:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"toolhone does not serve:\n{log.read_text()}")
                time.sleep(0.01)
            yield process.pid, login[1], login[2]
        finally:
            process.terminate()


def ask(client: httpx2.Client, address: str) -> float:
    """Milliseconds until the whole page is here."""
    began = perf_counter()
    answer = client.get(address)
    took = (perf_counter() - began) * 1000
    if answer.status_code != 200:
        sys.exit(f"{address} answers {answer.status_code}:\n{answer.text[:500]}")
    return took


def wait_until_ready(client: httpx2.Client) -> None:
    until = time.monotonic() + PATIENCE
    while client.get("/ready").status_code != 200:
        if time.monotonic() > until:
            sys.exit("toolhone is not ready")
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Visit:
    """What one start of the server came to, by page."""

    first: dict[str, float]
    """Milliseconds of the first answer."""
    later: dict[str, list[float]]
    cpu: dict[str, float]
    """Milliseconds that the server worked for an answer after the first; a busy machine changes it less."""


def cpu_ms(pid: int) -> float:
    """What a process has worked so far, in user and kernel mode; counted in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def visit(pid: int, url: str, login: str, addresses: Mapping[str, str], rounds: int) -> Visit:
    """Log in, then ask for every page once, and so many times more."""
    with httpx2.Client(base_url=url, headers={"Accept": "text/html"}, timeout=PATIENCE) as client:
        wait_until_ready(client)
        ask(client, login)
        first = {name: ask(client, address) for name, address in addresses.items()}
        later: dict[str, list[float]] = {}
        cpu: dict[str, float] = {}
        for name, address in addresses.items():
            before = cpu_ms(pid)
            later[name] = [ask(client, address) for _ in range(rounds)]
            cpu[name] = (cpu_ms(pid) - before) / rounds
    return Visit(first, later, cpu)


def show(visits: Sequence[Visit], console: Console) -> None:
    table = Table("page", "first after a start ms", "p50 ms", "p95 ms", "max ms", "CPU ms")
    slow: list[str] = []
    asked = 0
    for name in visits[0].first:
        firsts = [one.first[name] for one in visits]
        every = firsts + [taken for one in visits for taken in one.later[name]]
        asked += len(every)
        if max(every) > ASKED:
            slow.append(name)
        cpu = mean(one.cpu[name] for one in visits)
        cells = (max(firsts), percentile(every, 0.5), percentile(every, 0.95), max(every), cpu)
        table.add_row(name, *(f"{cell:.0f}" for cell in cells), style="red" if max(every) > ASKED else "")
    console.print(table)
    console.print(
        f"{asked:,} answers. The slowest of the first ones is shown, and they count in the others; "
        "CPU is what the server worked for an answer after the first."
    )
    console.print(f"above {ASKED:.0f} ms: {', '.join(slow) or 'no page'}", style="bold")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="data folder, filled if it has no audit")
    parser.add_argument("--starts", type=int, default=3, help="of the server")
    parser.add_argument("--rounds", type=int, default=20, help="through all pages, after each start")
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as temporary:
        folder = Path(temporary)
        (folder / "registry").mkdir()
        data: Path = given.data or folder / "data"
        if not (data / "audit.db").exists():
            fill(data, given.rows)
        count(data)
        config, addresses = configure(folder, data), pages(data)
        visits: list[Visit] = []
        memory = 0.0
        for _ in range(given.starts):
            with serving(folder, data, config) as (pid, url, login):
                visits.append(visit(pid, url, login, addresses, given.rounds))
                memory = resident_mb(pid)
    show(visits, console)
    console.print(f"memory of the server at the end {memory:.0f} MB")


if __name__ == "__main__":
    main()
