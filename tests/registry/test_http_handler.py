"""HTTP tools against a real server on 127.0.0.1, and the addresses they refuse."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import (
    CallTimeoutError,
    ConnectionLostError,
    InvalidArgumentsError,
    PermissionDeniedError,
    ServerUnavailableError,
    ToolFailedError,
)
from toolhone.models import Json, JsonObject, ToolDefinition, ToolOutput
from toolhone.registry.addresses import Resolve, is_public, resolve_host
from toolhone.registry.http_handler import HttpHandler, http_issues
from toolhone.registry.schema import HttpHandlerPart
from toolhone.registry.url_template import UrlTemplate


class Server:
    """Answers with what the test asked for, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[JsonObject] = []
        self.release = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                server.asked.append(
                    {
                        "method": self.command,
                        "path": self.path,
                        "headers": dict(self.headers.items()),
                        "body": json.loads(body) if body else None,
                    }
                )
                kind = self.path.partition("?")[0].strip("/").split("/")[0]
                if kind == "hang":
                    server.release.wait(10)
                    return
                if kind == "drop":
                    self.connection.close()
                    return
                status = int(kind) if kind.isdecimal() else 200
                content = {
                    "text": b"plain \xe4\xf6\xfc",
                    "broken": b"{not json",
                    "long": b'"' + b"x" * 5000 + b'"',
                    "204": b"",
                    "404": b"there is no such thing " + b"y" * 5000,
                }.get(kind, json.dumps({"data": {"items": [1, 2]}, "asked": self.path}).encode())
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://169.254.169.254/latest/meta-data")
                self.send_header(
                    "Content-Type", "text/plain; charset=latin-1" if kind == "text" else "application/json"
                )
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def schema(**properties: Json) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(properties)}


async def call(
    url: str,
    given: JsonObject | None = None,
    /,
    *,
    private: bool = True,
    resolve: Resolve = resolve_host,
    environ: dict[str, str] | None = None,
    output_schema: JsonObject | None = None,
    **part: Json,
) -> ToolOutput:
    given = given or {}
    input_schema = schema(**{name: {} for name in given})
    parsed = HttpHandlerPart.model_validate(
        {"type": "http", "url": url, "allowPrivateAddresses": private, **part}, strict=False
    )
    assert http_issues(parsed, input_schema, environ or {}) == []
    handler = HttpHandler(parsed, input_schema, environ or {}, resolve=resolve)
    definition = ToolDefinition(
        name="t", description="d", input_schema=input_schema, output_schema=output_schema
    )
    with anyio.fail_after(10):
        return await handler.call(definition, given, None)


async def test_arguments_go_where_the_file_says(server: Server) -> None:
    await call(
        server.url + "/items/{id}?lang={lang}",
        {"id": "a/b?c#d é", "lang": "x&y=z", "tags": ["p", "q r"], "deep": True, "trace": "t-1"},
        arguments={"trace": {"in": "header", "name": "X-Trace"}, "deep": {"in": "query", "name": "d"}},
        headers={"Authorization": "Bearer ${TOKEN}", "X-Region": "${REGION:-eu}"},
        environ={"TOKEN": "s3cret"},
    )

    (asked,) = server.asked
    assert asked["path"] == "/items/a%2Fb%3Fc%23d%20%C3%A9?lang=x%26y%3Dz&tags=p&tags=q%20r&d=true"
    assert asked["headers"]["Authorization"] == "Bearer s3cret"
    assert asked["headers"]["X-Region"] == "eu"
    assert asked["headers"]["X-Trace"] == "t-1"
    assert asked["headers"]["Host"] == f"127.0.0.1:{server.port}"


async def test_a_post_sends_its_arguments_as_one_json_object(server: Server) -> None:
    await call(
        server.url + "/orders/{id}",
        {"id": 7, "lines": [{"n": 1}], "note": None},
        method="POST",
        arguments={"lines": {"in": "body", "name": "items"}},
    )

    (asked,) = server.asked
    assert asked["method"] == "POST"
    assert asked["path"] == "/orders/7"
    assert asked["body"] == {"items": [{"n": 1}], "note": None}


async def test_a_pointer_takes_a_part_of_the_answer(server: Server) -> None:
    output = await call(
        server.url + "/ok", response={"pointer": "/data/items"}, output_schema={"type": "array"}
    )

    assert output.structured == [1, 2]
    assert output.text == "[1, 2]"


async def test_a_pointer_to_nothing_says_what_is_there(server: Server) -> None:
    with pytest.raises(ToolFailedError, match=r"without '/data/rows': at '/data' .*'items'"):
        await call(server.url + "/ok", response={"pointer": "/data/rows"})


async def test_text_is_read_in_the_encoding_the_server_names(server: Server) -> None:
    output = await call(server.url + "/text", response={"as": "text"})

    assert output.text == "plain äöü"
    assert not output.has_structured


async def test_an_error_status_is_an_answer_with_the_beginning_of_its_body(server: Server) -> None:
    output = await call(server.url + "/404")

    assert output.is_error
    assert "answered HTTP 404 Not Found" in output.text
    assert "first 2000 characters" in output.text
    assert "there is no such thing" in output.text
    assert len(output.text) < 2300


async def test_a_redirect_is_reported_and_not_followed(server: Server) -> None:
    output = await call(server.url + "/302")

    assert output.is_error
    assert "http://169.254.169.254/latest/meta-data" in output.text
    assert len(server.asked) == 1


async def test_no_content_is_a_success(server: Server) -> None:
    output = await call(server.url + "/204")

    assert not output.is_error
    assert "204" in output.text


async def test_an_answer_that_is_not_json_fails(server: Server) -> None:
    with pytest.raises(ToolFailedError, match="not JSON"):
        await call(server.url + "/broken")


async def test_an_answer_over_the_limit_fails_instead_of_being_cut(server: Server) -> None:
    with pytest.raises(ToolFailedError, match="more than 1,000 bytes"):
        await call(server.url + "/long", response={"maxBytes": 1000})


async def test_no_answer_in_time_is_a_timeout(server: Server) -> None:
    with pytest.raises(CallTimeoutError, match="did not answer"):
        await call(server.url + "/hang", timeoutSeconds=0.3)


async def test_a_connection_lost_after_sending_is_said_to_be_one(server: Server) -> None:
    with pytest.raises(ConnectionLostError, match="after the request was sent"):
        await call(server.url + "/drop")


async def test_nobody_listening_means_nothing_was_sent(server: Server) -> None:
    with anyio.fail_after(5):
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        await listener.aclose()
    with pytest.raises(ServerUnavailableError, match="nothing was sent"):
        await call(f"http://127.0.0.1:{port}/")


async def test_messages_show_the_template_and_no_secret(server: Server) -> None:
    output = await call(server.url + "/404?key=${KEY}", environ={"KEY": "hunter2hunter2"})

    assert "hunter2" not in output.text
    assert server.asked[0]["path"] == "/404?key=hunter2hunter2"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_spellings_of_this_machine_are_refused(server: Server, host: str) -> None:
    with pytest.raises(PermissionDeniedError, match="not a public one"):
        await call(f"http://{host}:{server.port}/ok", private=False)
    assert server.asked == []


async def test_a_public_name_with_one_private_address_is_refused(server: Server) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.8"]

    with pytest.raises(PermissionDeniedError, match=r"10\.0\.0\.8"):
        await call("http://127.0.0.1.nip.example/", private=False, resolve=resolve)


async def test_the_connection_goes_to_the_address_that_was_checked(server: Server) -> None:
    """The name is resolved once; the server behind the address sees the name in Host."""
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    await call(f"http://api.example.test:{server.port}/ok", resolve=resolve)

    assert asked == [("api.example.test", server.port)]
    assert server.asked[0]["headers"]["Host"] == f"api.example.test:{server.port}"


async def test_the_next_address_is_tried_when_one_does_not_answer(server: Server) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "::1", "127.0.0.1"]

    output = await call(f"http://api.example.test:{server.port}/ok", resolve=resolve)

    assert not output.is_error


async def test_a_name_that_does_not_resolve_was_not_sent_to() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(ServerUnavailableError, match="no such name"):
        await call("http://nowhere.example.test/", resolve=resolve)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "::ffff:168.63.129.16", "fd00:ec2::254"),
        *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1"),
        "not an address",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("value", ["", ".", "..", "a/../b", "..\\x", None, ["a"], {"a": 1}])
def test_a_path_argument_that_would_change_the_path_is_refused(value: Json) -> None:
    with pytest.raises(InvalidArgumentsError):
        UrlTemplate("https://example.org/v1/{x}/end", {}).render({"x": value})


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_argument_leaves_its_place_in_the_url(value: str) -> None:
    try:
        url = UrlTemplate("https://example.org/v1/{x}/end?q={x}", {}).render({"x": value})
    except InvalidArgumentsError:
        return

    path, _, query = url.removeprefix("https://example.org/").partition("?")
    assert path.count("/") == 2
    assert path.startswith("v1/")
    assert path.endswith("/end")
    assert query.startswith("q=")
    assert not set(query[2:]) & set("?&=#/ ")


async def test_a_header_argument_cannot_smuggle_a_second_header(server: Server) -> None:
    with pytest.raises(InvalidArgumentsError, match="header"):
        await call(server.url + "/ok", {"trace": "x\r\nX-Evil: 1"}, arguments={"trace": {"in": "header"}})
    assert server.asked == []


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        ({"url": "https://{host}/x"}, "/handler/url", "after the host"),
        ({"url": "https://example.org{host}"}, "/handler/url", "after the host"),
        ({"url": "https://u:p@example.org/"}, "/handler/url", "credentials"),
        ({"url": "https://example.org/#x"}, "/handler/url", "fragment"),
        ({"url": "https://example.org/{x"}, "/handler/url", "brace"),
        ({"url": "https://example.org/{unknown}"}, "/handler/url", "not a property"),
        ({"url": "https://example.org/{optional}"}, "/handler/url", "neither required nor"),
        ({"url": "https://example.org/${UNSET}"}, "/handler/url", "'UNSET' is not set"),
        ({"headers": {"X": "${UNSET}"}}, "/handler/headers/X", "'UNSET' is not set"),
        ({"headers": {"Host": "evil"}}, "/handler/headers/Host", "cannot be set"),
        ({"headers": {"X": "a\nb"}}, "/handler/headers/X", "cannot carry"),
        ({"arguments": {"zz": {"in": "query"}}}, "/handler/arguments/zz", "not a property"),
        ({"arguments": {"host": {"in": "body"}}}, "/handler/arguments/host/in", "has no body"),
        ({"arguments": {"host": {"in": "path"}}}, "/handler/arguments/host/in", "if and only if"),
        ({"arguments": {"host": {"in": "header"}}}, "/handler/arguments/host", "header"),
    ],
)
def test_what_cannot_work_is_named_by_field(part: JsonObject, field: str, message: str) -> None:
    parsed = HttpHandlerPart.model_validate(
        {"type": "http", "url": "https://example.org/", **part}, strict=False
    )
    input_schema: JsonObject = {
        "type": "object",
        "properties": {"host": {}, "optional": {}},
        "required": ["host"],
    }

    issues = http_issues(parsed, input_schema, {})

    assert [(issue.field, message in issue.message) for issue in issues] == [(field, True)]
