"""An encoder behind OpenAI's interface on 127.0.0.1, for peers that want an endpoint."""

import base64
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from numpy.typing import NDArray

from toolhone.models import JsonObject

MODEL = "encoder"
"""What it is called there."""

Encode = Callable[[str], NDArray[np.float32]]


@contextmanager
def embeddings_endpoint(model: str, encode: Encode) -> Generator[str]:
    """Its base URL, as long as it is served."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": model, "object": "model"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            texts: list[str] = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
            as_text = asked.get("encoding_format") == "base64"
            rows = [_row(number, encode(text), as_text) for number, text in enumerate(texts)]
            usage = {"prompt_tokens": 0, "total_tokens": 0}
            self._send({"object": "list", "model": model, "data": rows, "usage": usage})

        def _send(self, answer: JsonObject) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A line a request would bury the figures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _row(number: int, vector: NDArray[np.float32], as_text: bool) -> JsonObject:
    value = base64.b64encode(vector.tobytes()).decode() if as_text else vector.tolist()
    return {"object": "embedding", "index": number, "embedding": value}
