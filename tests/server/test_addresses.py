"""What is listened on."""

import socket

from toolhone.server.addresses import listen


def test_an_answer_does_not_wait_until_the_client_has_acknowledged_its_beginning() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
