"""What admins do about what is stored, and what happens to it by schedule: retention and exports."""

import logging
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from toolhone.access import require
from toolhone.events import new_event
from toolhone.exceptions import ConflictError, InvalidRequestError, ToolhoneError
from toolhone.keeping.age import AuditAge
from toolhone.keeping.exports import Exported, Exports, ExportsNow
from toolhone.keeping.inventory import Destination, Inventory, Terms, take_inventory
from toolhone.models import LOCAL_CALLER, AuditEvent, Caller, EventKind
from toolhone.roles import Permission
from toolhone.storage.workspaces import Workspaces

if TYPE_CHECKING:
    from toolhone.keeping.backup import Backup, Progress
    from toolhone.keeping.integrity import Examined

logger = logging.getLogger(__name__)

SETTLING_SECONDS = 60.0
"""After the start, until the first look: a client is waiting for other things then."""

PRUNING_SECONDS = 6 * 3_600.0
"""Between two looks for payloads that are too old."""

EXPORT_SECONDS = 60.0
"""Between two exports."""

DOWNLOADS = ".downloads"
"""The folder in the data folder in which backups are made that somebody downloads; in no backup itself."""


class Keeping:
    """The operations on a data folder as a whole. Each is permitted; what leaves it or goes is recorded."""

    def __init__(
        self,
        folder: Path,
        *,
        age: AuditAge,
        exports: Exports,
        record: Callable[[AuditEvent], Awaitable[None]],
        terms: Terms,
    ) -> None:
        self._folder = folder
        self._age = age
        self._exports = exports
        self._record = record
        self._terms = terms
        self._downloads = Workspaces(folder / DOWNLOADS)
        self._downloading = anyio.Lock()
        self.forgetting = exports.forgetting
        """See `Exports.forgetting`."""

    async def inventory(self, *, destinations: Sequence[Destination] = (), caller: Caller) -> Inventory:
        """What each file holds, of whom, how long, and how it goes; how large it is; where things go.

        Args:
            destinations: Where, as the settings say.
        """
        require(caller, Permission.OPERATE)
        return await anyio.to_thread.run_sync(
            lambda: take_inventory(self._folder, self._terms, tuple(destinations))
        )

    async def backup(
        self,
        file: Path,
        *,
        with_results: bool = False,
        replace: bool = False,
        progress: "Progress" = lambda name, done, total: None,
        caller: Caller,
    ) -> "Backup":
        """Copy the whole folder into a file while it is in use; see `write_backup`."""
        from toolhone.keeping.backup import write_backup  # a start must not wait for it

        require(caller, Permission.ADMINISTER)

        def told(name: str, done: int, total: int) -> None:
            anyio.from_thread.check_cancelled()
            progress(name, done, total)

        made = await anyio.to_thread.run_sync(
            lambda: write_backup(
                self._folder, file, with_results=with_results, replace=replace, progress=told
            )
        )
        await self._record_backup(made, with_results=with_results, went_to=str(file), caller=caller)
        return made

    @asynccontextmanager
    async def download(self, *, with_results: bool = False, caller: Caller) -> AsyncGenerator["Backup"]:
        """A backup that is there until the context ends, to be sent to somebody. One is made at a time.

        Raises:
            ConflictError, InvalidRequestError, StorageError: As `write_backup`.
        """
        from toolhone.keeping.backup import write_backup  # as above

        require(caller, Permission.ADMINISTER)

        def make(work: Path) -> "Backup":
            return write_backup(
                self._folder,
                work / "backup.tar",
                with_results=with_results,
                progress=lambda name, done, total: anyio.from_thread.check_cancelled(),
            )

        def room() -> Path:
            self._downloads.sweep()  # of processes that died while they sent one
            return self._downloads.make()

        def tidy() -> None:
            shutil.rmtree(work, ignore_errors=True)
            self._downloads.sweep()

        work = await anyio.to_thread.run_sync(room)
        try:
            async with self._downloading:
                made = await anyio.to_thread.run_sync(make, work)
            await self._record_backup(made, with_results=with_results, went_to=None, caller=caller)
            yield made
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(tidy)

    async def _record_backup(
        self, made: "Backup", *, with_results: bool, went_to: str | None, caller: Caller
    ) -> None:
        payload = {
            "what": "backup made",
            "file": went_to,
            "size": made.size,
            "sha256": made.sha256,
            "with_results": with_results,
        }
        await self._record(new_event(EventKind.ACCESS, caller, success=True, payload=payload))

    async def examine(
        self, *, progress: Callable[[str], None] = lambda what: None, caller: Caller
    ) -> "Examined":
        """Whether the folder is whole; see `integrity.examine`.

        Raises:
            PermissionDeniedError: The caller may not look.
            InvalidRequestError: There is no such folder.
        """
        from toolhone.keeping.integrity import examine  # as above

        require(caller, Permission.OPERATE)
        if not self._folder.is_dir():
            raise InvalidRequestError(
                f"There is nothing to check: {str(self._folder)!r} is no folder. Name the data folder with "
                "--data."
            )

        def told(what: str) -> None:
            anyio.from_thread.check_cancelled()
            progress(what)

        return await anyio.to_thread.run_sync(lambda: examine(self._folder, progress=told))

    async def prune_audit(self, *, caller: Caller) -> int:
        """Erase what the audit holds longer than the settings allow; returns of how many rows."""
        require(caller, Permission.ERASE)
        return await self._age.prune(caller=caller)

    async def export(self, *, caller: Caller) -> Exported:
        """Bring the exports up to date now.

        Raises:
            InvalidRequestError: The settings name no folder for them.
        """
        require(caller, Permission.ADMINISTER)
        return await self._exports.export()

    async def exports_now(self, *, caller: Caller) -> ExportsNow | None:
        """The exports as they are; `None` if the settings name no folder for them."""
        require(caller, Permission.OPERATE)
        return await anyio.to_thread.run_sync(self._exports.now)

    async def run(self) -> None:
        """Do by schedule what the settings say, until cancelled."""
        await anyio.sleep(SETTLING_SECONDS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._prune)
            if self._exports.wanted:
                tasks.start_soon(self._export)

    async def _prune(self) -> None:
        while True:
            if (self._folder / "audit.db").exists():
                try:
                    await self._age.prune(caller=LOCAL_CALLER)
                except ToolhoneError as exc:
                    logger.warning("Old payloads of the audit could not be erased: %s", exc.message)
            await anyio.sleep(PRUNING_SECONDS)

    async def _export(self) -> None:
        while True:
            try:
                await self._exports.export(patience=0)
            except ConflictError:
                logger.debug("Another process keeps the exports up to date.")
            except ToolhoneError as exc:
                logger.warning("Nothing could be exported: %s", exc.message)
            await anyio.sleep(EXPORT_SECONDS)
