"""What endpoints that show agents' work a page at a time are given."""

from typing import Annotated

from fastapi import Depends

from toolhone.server.api.given import GivenApp
from toolhone.work_pages import WorkPages


async def _pages(app: GivenApp) -> WorkPages:
    return (await app.finetuning_parts()).pages


GivenPages = Annotated[WorkPages, Depends(_pages)]
