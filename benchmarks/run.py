"""Every figure of docs/figures.md, one benchmark after the other.

python benchmarks/run.py [--data FOLDER] [--results FOLDER]

The first FOLDER holds tool listings of MCP servers, one a JSON file: {"server": {"name"}, "tools": [...]},
the second recorded results. Without them the benchmarks that need them are left out.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ALWAYS = ("listing", "startup", "calls", "parallel")
ON_REAL_TOOLS = ("server", "find_tools")
ON_REAL_RESULTS = ("compression", "before_after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with tool listings")
    parser.add_argument("--results", type=Path, help="folder with recorded results")
    given = parser.parse_args()
    commands = [[name] for name in ALWAYS]
    if given.data is None:
        print(f"left out without --data: {', '.join(ON_REAL_TOOLS)}", file=sys.stderr)
    else:
        commands += [[name, "--data", str(given.data)] for name in ON_REAL_TOOLS]
    if given.data is None or given.results is None:
        print(f"left out without --data and --results: {', '.join(ON_REAL_RESULTS)}", file=sys.stderr)
    else:
        folders = ["--tools", str(given.data), "--results", str(given.results)]
        commands += [[name, *folders] for name in ON_REAL_RESULTS]
    failed: list[str] = []
    for name, *options in commands:
        file = Path(__file__).with_name(f"{name}.py")
        print(f"$ python benchmarks/{file.name} {' '.join(options)}", flush=True)
        if subprocess.run([sys.executable, str(file), *options], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"error: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
