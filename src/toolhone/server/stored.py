"""What the data folder of this process holds and where things go from it, for REST and the dashboard."""

import os

import anyio.to_thread

from toolhone.app import App
from toolhone.keeping.inventory import Inventory
from toolhone.models import Caller, JsonObject
from toolhone.server.destinations import destinations

TERMS = (
    "audit_days",
    "snapshot_days",
    "result_lifetime",
    "results_size",
    "remember_tasks",
    "export_folder",
    "export_size",
    "export_files",
)
"""The settings that say how long things are kept, and where they are kept besides."""


async def inventory_of(app: App, *, caller: Caller) -> Inventory:
    """The inventory of the folder, with the destinations as this process is configured."""
    going = await anyio.to_thread.run_sync(destinations, app.settings, os.environ)
    return await app.keeping.inventory(destinations=going, caller=caller)


def terms_of(app: App) -> JsonObject:
    """The settings of `TERMS` as they are in force."""
    return app.settings.model_dump(mode="json", include=set(TERMS))
