"""Fixtures every test may use."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from providers.openai_server import Host, OpenAIServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def openai_host() -> "Iterator[Host]":
    path = Path(__file__).parent / "providers" / "openai_server.py"
    spec = importlib.util.spec_from_file_location("openai_server", path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.hosting() as host:
        yield host


@pytest.fixture
def openai_api(openai_host: "Host") -> "OpenAIServer":
    """A real, new service on 127.0.0.1 with OpenAI's API of fine-tuning, as we read it."""
    return openai_host.new_service()
