"""The demo that `make demo-train` begins with ends with a model in use."""

import sys
from pathlib import Path

import anyio

EXAMPLES = Path(__file__).parents[3] / "examples"


async def test_recorded_work_becomes_a_promoted_model(tiny_base: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "demo_train.py"), "--base", str(tiny_base)]

    with anyio.fail_after(400):
        ran = await anyio.run_process(command, check=False)

    said = " ".join(ran.stdout.decode().split())
    assert ran.returncode == 0, said + ran.stderr.decode()
    assert "0.00" in said and "1.00" in said
    assert "is now what core_security/production stands for" in said
