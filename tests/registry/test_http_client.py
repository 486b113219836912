"""HTTPS to a checked address: TLS still asks for, and verifies, the host's own name."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolhone.exceptions import ServerUnavailableError
from toolhone.registry import http_client
from toolhone.registry.http_handler import HttpAnswer, HttpRequest

NAME = "api.example.test"


class Answering(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off the handshake is what one of the tests is about."""


def write_certificate(path: Path) -> None:
    """A certificate for NAME that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture
def https_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    certificate = tmp_path / "certificate.pem"
    write_certificate(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http_client, "_shared_tls_context", lambda: trusting)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    with Server(("127.0.0.1", 0), Answering) as server:
        # The handshake is made in the connection's own thread, so that a failed one stops nobody else.
        server.socket = serving.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def send(host: str, port: int) -> HttpAnswer:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    request = HttpRequest(
        method="GET", url=f"https://{host}:{port}/", headers={}, content=None, shown_as="GET it"
    )
    with anyio.fail_after(60):
        return await http_client.send(
            request, resolve=resolve, allow_private=True, timeout_seconds=5, max_bytes=1000
        )


async def test_the_certificate_is_verified_for_the_name_and_not_the_address(https_port: int) -> None:
    answer = await send(NAME, https_port)

    assert answer.body.decode() == f"{NAME}:{https_port}"


async def test_a_certificate_for_another_name_is_refused(https_port: int) -> None:
    with pytest.raises(ServerUnavailableError, match=r"Hostname mismatch.*nothing was sent"):
        await send("other.example.test", https_port)
