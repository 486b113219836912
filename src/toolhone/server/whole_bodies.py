"""A body that is read before the application reads it."""

from starlette.types import Message, Receive


async def read_whole(receive: Receive) -> tuple[bytes, Receive]:
    """The body of a request, and a way to receive it once more. Its size is bounded by the guard.

    Of a client that is gone before the end of it the application sees only that.
    """
    parts: list[bytes] = []
    message: Message = {"more_body": True}
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
    body = b"".join(parts)
    first: Message | None = message
    if message["type"] == "http.request":
        first = {"type": "http.request", "body": body, "more_body": False}

    async def again() -> Message:
        nonlocal first
        if first is None:
            return await receive()
        told, first = first, None
        return told

    return body, again
