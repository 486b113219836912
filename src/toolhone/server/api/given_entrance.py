"""What endpoints about logins are given: who decides who comes in."""

from typing import Annotated

from fastapi import Depends, Request

from toolhone.server.entrance import Entrance


def entrance_of(request: Request) -> Entrance:
    entrance: Entrance = request.app.state.entrance
    return entrance


async def _entrance(request: Request) -> Entrance:
    return entrance_of(request)


GivenEntrance = Annotated[Entrance, Depends(_entrance)]
