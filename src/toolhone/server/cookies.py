"""The cookie of a login: its name, how it is set and how it is taken back."""

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from toolhone.server.origins import is_secure, port_of

COOKIE = "toolhone_session"


def cookie_name(scope: Scope) -> str:
    """Its name at the address by which the browser asks.

    Browsers send the cookies of a host to all of its ports, so the port stands in the name: two toolhones of
    one machine must not log each other out. Over https `__Host-` has them guarantee that no other host set
    it, and no page that was not sent over https.
    """
    name = f"{COOKIE}_{port_of(scope)}"
    return f"__Host-{name}" if is_secure(scope) else name


def own_cookies(scope: Scope) -> list[str]:
    """Its value, if the browser that sent this has one."""
    value = HTTPConnection(scope).cookies.get(cookie_name(scope))
    return [value] if value else []


def set_cookie(answer: Response, scope: Scope, value: str) -> None:
    """Let the browser send it from here on, until it ends: we forget it after twelve hours."""
    answer.set_cookie(
        cookie_name(scope), value, path="/", secure=is_secure(scope), httponly=True, samesite="strict"
    )


def take_back(answer: Response, scope: Scope) -> None:
    """Have the browser forget it."""
    answer.delete_cookie(cookie_name(scope), secure=is_secure(scope), httponly=True, samesite="strict")
