"""Recorded tools and results through toon-format and mcp-compressor, which run from `.venv-peers`."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from figures import PEERS
from recorded_tools import Listing, serving
from session_peers import COMPRESSOR_LEVELS, COMPRESSOR_TOOLS, client_of, compressor
from session_traffic import listed

from toolhone.models import Json
from toolhone.tokens import count_tokens

TOON = Path(__file__).parent / "peers" / "toon_texts.py"


def toon_tokens(values: Sequence[Json]) -> list[int | None]:
    """The tokens of each value as TOON; `None` where toon-format cannot encode it.

    Raises:
        OSError: There is no `.venv-peers`.
        subprocess.SubprocessError: toon-format is not installed there, or failed.
    """
    done = subprocess.run(
        [str(PEERS / "python"), str(TOON)],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    texts: list[str | None] = json.loads(done.stdout)
    return [None if text is None else count_tokens(text) for text in texts]


async def compressor_tokens(listings: Sequence[Listing]) -> dict[str, list[int]]:
    """What mcp-compressor lists instead of each server's tools, at each of its levels."""
    tokens: dict[str, list[int]] = {}
    with TemporaryDirectory(prefix="toolhone-bench-") as folder:
        for level in COMPRESSOR_LEVELS:
            tokens[f"mcp-compressor {level}"] = counts = list[int]()
            for one in listings:
                command = serving(Path(folder) / "recorded.json", one.tools)
                with anyio.fail_after(60):
                    async with client_of(compressor(level, command, Path(folder))) as client:
                        tools = (await client.list_tools()).tools
                counts.append(listed([tool for tool in tools if tool.name.endswith(COMPRESSOR_TOOLS)]))
    return tokens
