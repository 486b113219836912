"""A process that runs one downstream server, as toolhone does, until it is killed."""

import os
import sys

import anyio

from toolhone.registry.config import Command, ServerEntry, ServerSettings
from toolhone.registry.downstream import DownstreamServers
from toolhone.stores import StoredCatalog


class NoStore:
    def load(self) -> dict[str, StoredCatalog]:
        return {}

    def save(self, catalog: StoredCatalog) -> None: ...

    def delete(self, server: str) -> None: ...

    def close(self) -> None: ...


async def main() -> None:
    target = Command(command=sys.argv[1], args=tuple(sys.argv[2:]), env={})
    entry = ServerEntry(name="one", fingerprint="", target=target, settings=ServerSettings())
    servers = DownstreamServers([entry], NoStore, os.environ)
    async with anyio.create_task_group() as tasks:
        await tasks.start(servers.run)
        await servers.refresh()
        print(servers.states()[0].state, flush=True)
        await anyio.sleep_forever()


anyio.run(main)
