"""Requests made up from the OpenAPI document, some thousand, to every endpoint: each answer is as it says."""

import os
import re
import sys
from pathlib import Path
from typing import TypeAlias

import anyio

from toolhone.models import Json

Rest: TypeAlias = Json

HERE = Path(__file__).parent

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


async def test_no_request_that_can_be_made_up_is_answered_otherwise_than_documented(rest: Rest) -> None:
    token = await rest.token()
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(HERE / "schemathesis.toml"), "--no-color"),
        *("run", f"{rest.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}"),
        *("--checks", ",".join(CHECKS), "--warnings", "off", "--continue-on-failure"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    with anyio.fail_after(600):
        done = await anyio.run_process(command, check=False, env=environment, cwd=HERE)
    told = done.stdout.decode()

    assert done.returncode == 0, told + done.stderr.decode()
    counted = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", told)
    assert counted is not None, told
    assert len(set(counted.groups())) == 1, told
