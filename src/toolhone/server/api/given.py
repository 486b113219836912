"""What an endpoint is given: the running app, its services, and who is asking."""

from typing import Annotated

from fastapi import Depends, Request

from toolhone.access import require
from toolhone.app import App
from toolhone.gateway import Gateway
from toolhone.models import Caller
from toolhone.operations import Finetuning
from toolhone.roles import Permission
from toolhone.server.callers import CALLER


def app_of(request: Request) -> App:
    app: App = request.app.state.toolhone
    return app


def caller_of(request: Request) -> Caller:
    """Whoever the credential of the request names."""
    known = request.scope.get(CALLER)
    if isinstance(known, Caller):
        return known
    return Caller(principal="loopback", role=app_of(request).settings.role)


async def gateway_of(request: Request) -> Gateway:
    return await app_of(request).gateway()


async def system_of(request: Request) -> Finetuning:
    return await app_of(request).finetuning()


GivenApp = Annotated[App, Depends(app_of)]
GivenCaller = Annotated[Caller, Depends(caller_of)]
GivenGateway = Annotated[Gateway, Depends(gateway_of)]
GivenSystem = Annotated[Finetuning, Depends(system_of)]


def allowed(permission: Permission) -> object:
    """A dependency that lets only callers with this permission come to an endpoint.

    It is decided before the body is checked, so that who may not do a thing learns nothing about it.
    """

    def check(caller: GivenCaller) -> None:
        require(caller, permission)

    return Depends(check)
