"""Every figure of the README, one benchmark after the other.

python benchmarks/run.py [--data FOLDER]

FOLDER holds tool listings of MCP servers, one a JSON file: {"server": {"name"}, "tools": [...]}. Without
it the benchmarks that need many real tools are left out.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ALWAYS = ("listing", "startup", "calls", "parallel")
ON_REAL_TOOLS = ("server", "find_tools")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with tool listings")
    data = parser.parse_args().data
    commands = [[name] for name in ALWAYS]
    if data is None:
        print(f"left out without --data: {', '.join(ON_REAL_TOOLS)}", file=sys.stderr)
    else:
        commands += [[name, "--data", str(data)] for name in ON_REAL_TOOLS]
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
