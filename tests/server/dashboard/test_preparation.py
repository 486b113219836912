"""What the first pages need is there before anybody asks for it."""

import subprocess
import sys

import pytest

from toolhone.server.dashboard import preparation
from toolhone.server.dashboard.preparation import Preparation

PREPARED = """
import sys
import anyio
from toolhone import tokens
from toolhone.server.dashboard.layout import templates
from toolhone.server.dashboard.preparation import Preparation

async def main():
    prepared = Preparation()
    assert not await prepared.is_over(within=0)
    await prepared.run()
    assert await prepared.is_over(within=0)

assert "toolhone.finetuning_parts" not in sys.modules and not tokens.is_loaded()
anyio.run(main)
assert "toolhone.finetuning_parts" in sys.modules and tokens.is_loaded()
compiled = {name for _, name in templates().cache}
assert compiled == set(templates().list_templates()), compiled
assert "openai" not in sys.modules and "onnxruntime" not in sys.modules
"""


def test_all_templates_and_imports_of_pages_are_loaded_and_nothing_heavier() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREPARED], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


async def test_what_cannot_be_made_ready_is_logged_and_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'bpe_openai'")

    monkeypatch.setattr(preparation.tokens, "load", broken)
    prepared = Preparation()

    await prepared.run()

    assert await prepared.is_over(within=0)
    assert "bpe_openai" in caplog.text
