"""Many HTTP clients in one process, cheap enough to leave the other core to the server."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from toolhone.models import Json, JsonObject

LARGEST_HEAD = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Json:
        """The body, or the last event of a stream of them."""
        if self.body.lstrip().startswith(b"{"):
            return json.loads(self.body)
        lines = [line for line in self.body.splitlines() if line.startswith(b"data:")]
        return json.loads(lines[-1][5:])


def request(path: str, body: JsonObject, headers: Mapping[str, str]) -> bytes:
    """A POST as it goes over the wire."""
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """One kept-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    async def __aenter__(self) -> "Connection":
        self._stream = await anyio.connect_tcp(*self._address)
        self._received = BufferedByteReceiveStream(self._stream)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stream.aclose()

    async def ask(self, asked: bytes) -> Answer:
        await self._stream.send(asked)
        head = await self._received.receive_until(b"\r\n\r\n", LARGEST_HEAD)
        first, *lines = head.split(b"\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
        }
        if headers.get(b"transfer-encoding") == b"chunked":
            body = await self._chunks()
        else:
            length = int(headers.get(b"content-length", b"0"))
            body = await self._received.receive_exactly(length) if length else b""
        return Answer(int(first.split()[1]), body)

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int(await self._received.receive_until(b"\r\n", 100), 16)
            chunk = await self._received.receive_exactly(size + 2)
            if not size:
                return body
            body += chunk[:-2]


@dataclass(slots=True)
class Outcome:
    """What a load came to."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list[float])
    """Milliseconds, one an answered request."""
    refused: int = 0

    @property
    def per_second(self) -> float:
        return len(self.times) / self.seconds


async def load(
    address: tuple[str, int],
    next_request: Callable[[], bytes],
    accepted: Callable[[Answer], bool],
    *,
    clients: int,
    seconds: float,
) -> Outcome:
    """Let so many clients ask one request after the other for so long, each over its own connection."""
    outcome = Outcome()

    async def client(until: float) -> None:
        async with Connection(*address) as connection:
            while (began := perf_counter()) < until:
                answer = await connection.ask(next_request())
                outcome.times.append((perf_counter() - began) * 1000)
                if not accepted(answer):
                    outcome.refused += 1

    began = perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(clients):
            tasks.start_soon(client, began + seconds)
    outcome.seconds = perf_counter() - began
    return outcome
