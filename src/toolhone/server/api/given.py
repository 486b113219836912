"""What an endpoint is given: the running app, its services, and who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Request
from fastapi.params import Depends

from toolhone.access import require
from toolhone.app import App
from toolhone.exceptions import NotAuthenticatedError
from toolhone.gateway import Gateway
from toolhone.models import Caller
from toolhone.operations import Finetuning
from toolhone.roles import Permission
from toolhone.server.callers import CALLER


def app_of(request: Request) -> App:
    app: App = request.app.state.toolhone
    return app


def caller_of(request: Request) -> Caller:
    """Whoever the credential of the request names.

    Raises:
        NotAuthenticatedError: It came without one, by a path that asks for none.
    """
    known = request.scope.get(CALLER)
    if isinstance(known, Caller):
        return known
    raise NotAuthenticatedError


async def gateway_of(request: Request) -> Gateway:
    return await app_of(request).gateway()


async def system_of(request: Request) -> Finetuning:
    return await app_of(request).finetuning()


async def _app(request: Request) -> App:
    return app_of(request)


async def _caller(request: Request) -> Caller:
    return caller_of(request)


# Coroutines, though they wait for nothing: FastAPI runs plain functions in threads, at a higher price.
GivenApp = Annotated[App, Depends(_app)]
GivenCaller = Annotated[Caller, Depends(_caller)]
GivenGateway = Annotated[Gateway, Depends(gateway_of)]
GivenSystem = Annotated[Finetuning, Depends(system_of)]


@dataclass(frozen=True, slots=True)
class Gate:
    """What a caller needs to come to an endpoint. Every route has one; `permissions_table.py` reads them."""

    permission: Permission | None
    """`None` is for every caller that is known."""

    async def __call__(self, caller: GivenCaller) -> None:
        if self.permission is not None:
            require(caller, self.permission)


def allowed(permission: Permission) -> Depends:
    """A dependency that lets only callers with this permission come to an endpoint.

    It is decided before the body is checked, so that who may not do a thing learns nothing about it.
    """
    return Depends(Gate(permission))


def known() -> Depends:
    """The same for what every caller may do, whatever its role."""
    return Depends(Gate(None))
