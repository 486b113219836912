"""What endpoints about the data folder answer."""

from pydantic import BaseModel, ConfigDict

from toolhone.keeping.exports import ExportsNow
from toolhone.keeping.inventory import Destination, Holding
from toolhone.models import Json, JsonObject

INVENTORY: JsonObject = {
    "folder": "/home/anna/.local/share/toolhone",
    "size": 4_907_008,
    "holdings": [
        {
            "names": ["audit.db"],
            "holds": "every call, selection, refusal and act of an admin; what it held, redacted",
            "whose": "callers, and whoever arguments and results name",
            "kept": "rows for ever, as one chain of hashes; what they hold 365 days",
            "erased": "snapshots erase, audit erase, audit prune",
            "in_backup": "always",
            "files": 1,
            "size": 4_907_008,
            "oldest": "2026-11-23T10:11:12+00:00",
        }
    ],
    "unknown": [],
    "destinations": [
        {
            "name": "the server github",
            "what": "the arguments of each call to its tools, and the request's trace id",
            "where": "https://api.githubcopilot.com",
        }
    ],
    "exports": None,
    "settings": {"audit_days": 365, "snapshot_days": {"*": 365}},
}


EXPORTED: JsonObject = {"snapshots": 12, "rows": 340}


class DataFolder(BaseModel):
    """What the data folder holds: one row for each kind of file, also those that there are none of."""

    model_config = ConfigDict(json_schema_extra={"examples": [INVENTORY]})

    folder: str
    size: int
    """Bytes of all rows."""
    holdings: list[Holding]
    unknown: list[str]
    """Files that no toolhone of this version makes."""
    destinations: list[Destination]
    """Where things go from this machine, as it is configured."""
    exports: ExportsNow | None
    """Null if the settings name no folder for exports."""
    settings: dict[str, Json]
    """Those that say how long things are kept."""


class Fault(BaseModel):
    """Something that is not whole."""

    what: str
    mend: str


class Checked(BaseModel):
    """What an examination of the data folder found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "whole": False,
                    "folder": "/home/anna/.local/share/toolhone",
                    "databases": 9,
                    "audit_rows": 41,
                    "audit_head": "sha256:0c5f8d3b",
                    "datasets": 2,
                    "models": 1,
                    "faults": [
                        {
                            "what": "Others may look at '/home/anna/.local/share/toolhone' (mode 755).",
                            "mend": "chmod 700 /home/anna/.local/share/toolhone",
                        }
                    ],
                }
            ]
        }
    )

    whole: bool
    folder: str
    databases: int
    audit_rows: int
    audit_head: str | None
    """Hash of the last row; keep it elsewhere to detect a cut-off tail."""
    datasets: int
    models: int
    """Those whose files are in the folder."""
    faults: list[Fault]
