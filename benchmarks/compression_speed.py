"""How long it takes to encode and verify recorded tools losslessly: in a new process, and once more.

python benchmarks/compression_speed.py FOLDER

Prints {"cold": seconds, "cached": seconds}. The tokenizer is loaded before; reading the files does not count.
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from recorded_tools import read_listings

from toolhone import tokens
from toolhone.compression.levels import Level
from toolhone.compression.rendering import render

RUNS = 5


def encode_times(folder: Path) -> dict[str, float]:
    """Medians over processes."""
    runs = [
        json.loads(subprocess.check_output([sys.executable, __file__, str(folder)], text=True))
        for _ in range(RUNS)
    ]
    return {name: median(run[name] for run in runs) for name in ("cold", "cached")}


def main() -> None:
    listings = read_listings(Path(sys.argv[1]))
    tokens.load()
    times: dict[str, float] = {}
    for name in ("cold", "cached"):
        began = perf_counter()
        for listing in listings:
            render(listing.tools, Level.FULL)
        times[name] = perf_counter() - began
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
