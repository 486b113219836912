"""What the benchmarks share: where things are, timing in turns, tables."""

import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from mcp import StdioServerParameters
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
ECHO = Path(__file__).parent / "servers" / "echo.py"
TOOLHONE = Path(sys.executable).with_name("toolhone")
PEERS = ROOT / ".venv-peers" / "bin"

Job = Callable[[], Awaitable[None]]


@contextmanager
def toolhone_serving(servers: Mapping[str, object]) -> Generator[StdioServerParameters]:
    """How to start `toolhone serve` on these servers with a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as folder:
        config = Path(folder) / "mcp.json"
        config.write_text(json.dumps({"mcpServers": servers}))
        registry = Path(folder) / "registry"
        registry.mkdir()
        yield StdioServerParameters(
            command=str(TOOLHONE),
            args=[
                "serve",
                "--role",
                "agent",
                "--config",
                str(config),
                "--registry",
                str(registry),
                "--data",
                f"{folder}/data",
            ],
        )


def echo_server() -> dict[str, object]:
    return {"command": sys.executable, "args": [str(ECHO)], "toolhone": {"trusted": True}}


async def milliseconds(job: Job) -> float:
    began = perf_counter()
    await job()
    return (perf_counter() - began) * 1000


async def in_turns(jobs: Mapping[str, Job], rounds: int, warm_up: int) -> dict[str, list[float]]:
    """Time the jobs A B C A B C …, so that a machine that slows down slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(warm_up + rounds):
        for name, job in jobs.items():
            taken = await milliseconds(job)
            if number >= warm_up:
                times[name].append(taken)
    return times


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def print_times(title: str, times: Mapping[str, Sequence[float]], baseline: str, note: str = "") -> None:
    base = statistics.median(times[baseline])
    table = Table("", "median ms", "p95 ms", f"above {baseline}", f"of {baseline}", title=title)
    for name, values in times.items():
        median = statistics.median(values)
        table.add_row(
            name,
            f"{median:.2f}",
            f"{percentile(values, 0.95):.2f}",
            f"{median - base:+.2f} ms",
            f"{median / base:.2f}x",
        )
    console = Console()
    console.print(table)
    if note:
        console.print(note, style="dim")
