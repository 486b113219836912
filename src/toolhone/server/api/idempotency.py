"""The header `Idempotency-Key`: a request that is sent again is answered again and takes effect once."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from toolhone.exceptions import InvalidRequestError
from toolhone.keyed_requests import KeyedRequests
from toolhone.models import Caller
from toolhone.records.requests import FirstAnswer
from toolhone.server.api.given import GivenApp, GivenCaller
from toolhone.server.api.json_answers import encoded, told

REPLAYED = "Idempotent-Replayed"

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Of your own making, new for each new request. The same request with the same key is "
        "answered within 24 hours as it was the first time, and takes effect once. Another request with it "
        "is refused.",
        examples=["7f3f2f60-5e0c-4a53-9b8e-3f8f7f2b8a11"],
    ),
]


class Once:
    """Answers one request, once if it has a key."""

    def __init__(self, requests: KeyedRequests, caller: Caller, key: str | None, fingerprint: str) -> None:
        self._requests = requests
        self._caller = caller
        self._key = key
        self._fingerprint = fingerprint

    async def answer(self, work: Callable[[], Awaitable[object]], *, status: int = 201) -> Response:
        """The answer that `work` gives, or gave when this request came first.

        Raises:
            ReusedKeyError: The caller used the key for another request.
            ConflictError: It was begun and not answered.
        """

        async def answered() -> FirstAnswer:
            return FirstAnswer(status=status, body=encoded(told(await work())))

        if self._key is None:
            return _response(await answered())
        first, replayed = await self._requests.answer(
            self._caller.principal, self._key, self._fingerprint, answered
        )
        return _response(first, {REPLAYED: "true"} if replayed else {})


async def _once(request: Request, app: GivenApp, caller: GivenCaller, key: Key = None) -> Once:
    return Once(app.keyed_requests, caller, key, "" if key is None else await _fingerprint(request))


GivenOnce = Annotated[Once, Depends(_once)]


async def _refused(
    key: Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)] = None,
) -> None:
    """Raises InvalidRequestError for a key: its sender would rely on what is not done."""
    if key is not None:
        raise InvalidRequestError(
            "This endpoint takes no Idempotency-Key: its answers are not kept. Send it without, and look "
            "what took effect before you send it again."
        )


without_key = Depends(_refused)
"""For `dependencies=`, where to do a thing twice is not the same as once and its answer cannot be kept."""


async def _fingerprint(request: Request) -> str:
    named = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return "sha256:" + hashlib.sha256(named + await request.body()).hexdigest()


def _response(answer: FirstAnswer, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.body, answer.status, headers, "application/json")
