"""How many requests a credential may have open."""

from contextlib import ExitStack

import pytest

from toolhone.exceptions import RateLimitedError
from toolhone.server.open_requests import MOST_OPEN, OpenRequests


async def always() -> bool:
    return True


async def test_a_credential_has_so_many_requests_open_and_others_have_their_own() -> None:
    requests = OpenRequests()
    with ExitStack() as stack:
        for _ in range(MOST_OPEN):
            requests.check("a")
            stack.enter_context(requests.opened("a", always))
        with pytest.raises(RateLimitedError, match="open"):
            requests.check("a")
        requests.check("b")
    requests.check("a")
