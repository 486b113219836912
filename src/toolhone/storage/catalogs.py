"""The last good listing of each downstream server, in `cache.db`."""

import json
from pathlib import Path

from toolhone.storage.migrations import CACHE
from toolhone.storage.sqlite import SqliteFile
from toolhone.stores import StoredCatalog


class SqliteCatalogStore:
    """Catalogs in `cache.db` of the data folder, so that tools are found before their server runs."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "cache.db", CACHE, rebuildable=True)

    def load(self) -> dict[str, StoredCatalog]:
        if not self._file.exists():
            return {}  # a first start does not wait for tables to be made
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT server, fingerprint, content_hash, listed_at, tools FROM catalogs ORDER BY server"
            ).fetchall()
        )
        return {
            server: StoredCatalog(
                server=server,
                fingerprint=fingerprint,
                content_hash=content_hash,
                tools=tuple(json.loads(tools)),
                listed_at=listed_at,
            )
            for server, fingerprint, content_hash, listed_at, tools in rows
        }

    def save(self, catalog: StoredCatalog) -> None:
        # ASCII: a server may send text that UTF-8 cannot spell, and its order of keys is kept.
        tools = json.dumps(list(catalog.tools), separators=(",", ":"))
        self._file.write(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO catalogs (server, fingerprint, content_hash, listed_at, tools) "
                "VALUES (?, ?, ?, ?, ?)",
                (catalog.server, catalog.fingerprint, catalog.content_hash, catalog.listed_at, tools),
            )
        )

    def delete(self, server: str) -> None:
        self._file.write(
            lambda connection: connection.execute("DELETE FROM catalogs WHERE server = ?", (server,))
        )

    def close(self) -> None:
        self._file.close()
