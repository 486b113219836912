"""Ids that would be paths, SQL or templates: they name nothing, and nothing is made of them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.exceptions import ConfigurationError, InvalidRequestError, ToolhoneError, UnknownToolError
from toolhone.models import Caller, Json
from toolhone.operations import Finetuning

IDS = [
    "../../../etc/passwd",
    "..",
    "/etc/passwd",
    "a/../../b",
    "%2e%2e%2fetc",
    "..\\..\\etc",
    "*",
    "**/*",
    "[a-z]*",
    "x\x00y",
    "' OR '1'='1",
    "x'; DROP TABLE jobs; --",
    "{{7*7}}",
    "${HOME}",
    "a" * 5_000,
    "\ud800",
    "",
]

Site: TypeAlias = Json
Ask: TypeAlias = Callable[[Finetuning, str, Caller], Awaitable[object]]

ASKS: dict[str, Ask] = {
    "job": lambda system, text, caller: system.job(text, caller=caller),
    "events": lambda system, text, caller: system.events(text, caller=caller),
    "cancel": lambda system, text, caller: system.cancel_job(text, caller=caller),
    "dataset": lambda system, text, caller: system.dataset(text, caller=caller),
    "card": lambda system, text, caller: system.dataset_card(text, caller=caller),
    "model": lambda system, text, caller: system.model(text, caller=caller),
    "comparison": lambda system, text, caller: system.comparison(text, caller=caller),
}


def files(folder: Path) -> set[str]:
    """What is in a folder, but for the companions that SQLite makes and removes."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm", ".lock"))
    }


async def test_an_id_that_would_be_something_else_names_nothing(site: Site, admin: Caller) -> None:
    async with site.opened() as toolhone:
        system = await toolhone.app.finetuning()
        for ask in ASKS.values():
            with pytest.raises(InvalidRequestError):
                await ask(system, "nothing", admin)
        before = files(site.folder)
        for what, ask in ASKS.items():
            for text in IDS:
                with pytest.raises(InvalidRequestError) as refused:
                    await ask(system, text, admin)
                assert len(refused.value.message) < 6_000, what
        assert files(site.folder) == before


async def test_neither_does_the_name_of_a_tool_of_a_server_or_of_a_result(site: Site, admin: Caller) -> None:
    async with site.opened() as toolhone:
        gateway = await toolhone.app.gateway()
        for text in IDS:
            with pytest.raises(UnknownToolError):
                await gateway.describe([text], caller=admin)
            with pytest.raises(ToolhoneError) as unknown:
                await gateway.read_result(text, caller=admin)
            assert unknown.value.code in {"unknown_handle", "invalid_request"}
            with pytest.raises(ConfigurationError):
                await toolhone.app.downstream.restart(text)
            with pytest.raises(InvalidRequestError):
                await toolhone.app.approvals.approve(text, text, caller=admin)
