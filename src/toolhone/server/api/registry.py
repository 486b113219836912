"""The tool registry over REST: its files, and what is wrong with them."""

from pathlib import Path

import anyio.to_thread
from pydantic import BaseModel, ConfigDict

from toolhone.models import JsonObject
from toolhone.redaction import redact
from toolhone.registry.files import FileToolset
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, allowed

router = endpoints("/registry", tag="servers")


class RegistryProblem(BaseModel):
    """What keeps the tool of a file out."""

    file: str
    field: str
    """A JSON Pointer into the file; empty for the file as a whole."""
    message: str


class Registry(BaseModel):
    """The folder of tool files as it was read when toolhone was started."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "folder": "/home/me/.config/toolhone/tool_registry",
                    "files": ["add.json", "broken.json"],
                    "tools": ["add"],
                    "problems": [
                        {"file": "broken.json", "field": "/name", "message": "this field is missing"}
                    ],
                }
            ]
        }
    )

    folder: str | None
    """Null if there is none."""
    files: list[str]
    """The tool files that are there now."""
    tools: list[str]
    problems: list[RegistryProblem]


@router.get(
    "",
    dependencies=[allowed(Permission.OPERATE)],
    response_model=Registry,
    summary="Show the tool registry",
    operation_id="get_registry",
)
async def get_registry(app: GivenApp) -> JsonObject:
    """Tool files, the tools that came of them, and the problems of those that did not become one."""
    await app.gateway()  # read when everything is built
    return await anyio.to_thread.run_sync(_told, app.settings.registry, app.registry)


def _told(folder: Path | None, files: FileToolset | None) -> JsonObject:
    if folder is None or files is None:
        return {"folder": None, "files": [], "tools": [], "problems": []}
    return {
        "folder": str(folder),
        "files": sorted(path.name for path in folder.glob("*.json")),
        "tools": [tool.name for tool in files.tools()],
        "problems": [
            {"file": problem.file.name, "field": problem.field, "message": redact(problem.message)}
            for problem in files.problems
        ],
    }
