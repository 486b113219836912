"""The data folder over REST: what it holds and for how long, whether it is whole, exports of it."""

from toolhone.keeping.exports import Exported
from toolhone.models import JsonObject
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_data import EXPORTED, Checked, DataFolder
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.openapi import also
from toolhone.server.stored import inventory_of, terms_of

router = endpoints("/data", tag="privacy")


@router.get(
    "",
    dependencies=[allowed(Permission.OPERATE)],
    summary="What is stored, of whom, for how long",
    operation_id="get_data",
)
async def get_data(app: GivenApp, caller: GivenCaller) -> DataFolder:
    """Each kind of file with its size and age, how long it is kept and how it goes; and where things go."""
    found = await inventory_of(app, caller=caller)
    return DataFolder(
        folder=str(found.folder),
        size=sum(row.size for row in found.holdings),
        holdings=list(found.holdings),
        unknown=list(found.unknown),
        destinations=list(found.destinations),
        exports=await app.keeping.exports_now(caller=caller),
        settings=terms_of(app),
    )


@router.post(
    "/check",
    dependencies=[allowed(Permission.OPERATE)],
    response_model=Checked,
    summary="Examine whether the data folder is whole",
    operation_id="check_data",
)
async def check_data(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Databases, the chain of the audit, datasets, models, and who may read the folder.

    Every file with a hash is read: seconds, or minutes if trained weights are there.
    """
    return (await app.keeping.examine(caller=caller)).as_json()


@router.post(
    "/export",
    dependencies=[allowed(Permission.ADMINISTER)],
    responses={200: {"content": {"application/json": {"example": EXPORTED}}}, **also(409)},
    summary="Bring the exports up to date now",
    operation_id="export_data",
)
async def export_data(app: GivenApp, caller: GivenCaller) -> Exported:
    """Write what came since the last time to the folder of exports, as running servers do each minute.

    The setting `export_folder` names it; without it the answer is 400. While another process writes there for
    long, it is 409.
    """
    return await app.keeping.export(caller=caller)
