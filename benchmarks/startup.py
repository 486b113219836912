"""From starting the process to the answer to initialize: toolhone beside a bare server of the same SDK.

python benchmarks/startup.py [--rounds N]
"""

import argparse
import json
import subprocess
import sys
from time import perf_counter

from figures import ECHO, echo_server, print_times, toolhone_serving
from mcp import StdioServerParameters

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}


def milliseconds_to_initialize(server: StdioServerParameters) -> float:
    """One start. The end of the process is waited for, but not timed."""
    began = perf_counter()
    with subprocess.Popen(
        [server.command, *server.args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        taken = (perf_counter() - began) * 1000
        assert "result" in answer, answer
        process.communicate()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    bare = StdioServerParameters(command=sys.executable, args=[str(ECHO)])
    with toolhone_serving({"echo": echo_server()}) as served:
        servers = {"bare server": bare, "toolhone serve": served}
        times: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(rounds + 1):  # the first round only fills the disk cache
            for name, server in servers.items():
                taken = milliseconds_to_initialize(server)
                if number:
                    times[name].append(taken)
    print_times("stdio start until the answer to initialize", times, "bare server")


if __name__ == "__main__":
    main()
