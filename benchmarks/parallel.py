"""Eight calls of 300 ms in one request: through one call_tools, beside the slowest alone.

python benchmarks/parallel.py [--rounds N]
"""

import argparse
from typing import Any

import anyio
from figures import Job, echo_server, in_turns, print_times, toolhone_serving
from mcp import Client

CALL = {"tool": "echo__wait", "arguments": {"milliseconds": 300}}


def batch(client: Client, size: int) -> Job:
    async def job() -> None:
        result = await client.call_tool("call_tools", {"calls": [CALL] * size})
        answer: Any = result.structured_content
        assert not result.is_error and all(one["success"] for one in answer["results"])

    return job


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with toolhone_serving({"echo": echo_server()}) as served:
        async with Client(served, cache=None) as client:
            jobs = {f"{size} at once": batch(client, size) for size in (1, 8, 16)}
            times = await in_turns(jobs, rounds, warm_up=2)
    print_times("calls of 300 ms in one request", times, "1 at once")


if __name__ == "__main__":
    anyio.run(main)
