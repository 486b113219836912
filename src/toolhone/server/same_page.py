"""That what a browser changes was sent by a page of its own login (CSRF)."""

from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from toolhone.auth.logins import Session, proves
from toolhone.exceptions import PermissionDeniedError
from toolhone.server.origins import is_same_origin
from toolhone.server.whole_bodies import read_whole

CSRF = "toolhone.csrf"
"""Where in an ASGI scope the token stands that a form must send back as `csrf`."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def same_page(scope: Scope, receive: Receive, session: Session) -> Receive:
    """Make sure that what changes something was sent by a page of this session.

    Returns:
        How the body is received from here on: that of a form is read already.

    Raises:
        PermissionDeniedError: It may have been another page's.
    """
    if scope["method"] in SAFE:
        return receive
    if not is_same_origin(scope):
        raise PermissionDeniedError("This request comes from a page that is not of this toolhone.")
    headers = Headers(scope=scope)
    if (given := headers.get("x-csrf-token")) is None and headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        body, receive = await read_whole(receive)
        (given,) = parse_qs(body.decode("utf-8", "replace")).get("csrf", [""])[:1]
    if given is None or not proves(session, given):
        raise PermissionDeniedError(
            "This request lacks the token of its page. Load the page again and repeat it."
        )
    return receive
