"""A trace goes from the client through toolhone to the downstream server, and to a collector."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from toolhone.models import Json, JsonObject
from toolhone.storage.audit import SqliteAuditStore
from toolhone.stores import AuditQuery

TOLD = Path(__file__).parent / "servers" / "told_meta.py"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, as an OpenTelemetry collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.received: list[ExportTraceServiceRequest] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> dict[str, Json]:
        """The spans by name; where several have one name, the last."""
        return {
            span.name: span
            for request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, Collector)
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Json) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server
        server.shutdown()


def attributes(span: Json) -> dict[str, str]:
    return {entry.key: entry.value.string_value for entry in span.attributes}


def downstream() -> JsonObject:
    return {"told": {"command": sys.executable, "args": ["-I", "-S", str(TOLD)]}}


CALLS: JsonObject = {"calls": [{"tool": "told__meta", "arguments": {}}]}


def test_a_trace_goes_through_without_a_collector(site: Json) -> None:
    site.downstream(downstream())

    with site.stdio() as client:
        client.initialize()
        answer = client.ask(
            "tools/call", name="call_tools", arguments=CALLS, _meta={"traceparent": TRACEPARENT}
        )

    (slot,) = answer["structuredContent"]["results"]
    assert slot["result"]["traceparent"].split("-")[1] == TRACE


def test_spans_reach_a_collector_and_are_joined_with_the_audit(site: Json, collector: Collector) -> None:
    site.downstream(downstream())

    with site.stdio(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as client:
        client.initialize()
        answer = client.ask(
            "tools/call", name="call_tools", arguments=CALLS, _meta={"traceparent": TRACEPARENT}
        )
        client.process.stdin.close()
        assert client.process.wait(60) == 0, client.errors.rest()

    spans = collector.spans()
    entered, batch = spans["tools/call call_tools"], spans["batch"]
    call, sent = spans["execute_tool told__meta"], spans["MCP send tools/call meta"]
    assert {span.trace_id.hex() for span in (entered, batch, call, sent)} == {TRACE}
    assert entered.parent_span_id.hex() == PARENT
    assert batch.parent_span_id == entered.span_id
    assert call.parent_span_id == batch.span_id
    assert sent.parent_span_id == call.span_id
    (slot,) = answer["structuredContent"]["results"]
    assert slot["result"]["traceparent"] == f"00-{TRACE}-{sent.span_id.hex()}-01"

    audit = SqliteAuditStore(site.data)
    (row,) = audit.query(AuditQuery(kinds=["call"]))
    audit.close()
    told = attributes(call)
    assert (told["toolhone.call_id"], told["toolhone.request_id"]) == (row["call_id"], row["request_id"])
    assert (told["toolhone.server"], told["toolhone.outcome"]) == ("told", "ok")
    assert row["details"]["trace_id"] == TRACE


def test_the_header_of_a_request_over_http_is_the_parent(site: Json, collector: Collector) -> None:
    site.downstream(downstream())
    token = site.token("agent")

    with site.http(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as server:
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}) as client:
            request: JsonObject = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {
                    "name": "call_tools",
                    "arguments": CALLS,
                    "_meta": {
                        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientCapabilities": {},
                        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                    },
                },
            }
            headers = {
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/call",
                "Mcp-Name": "call_tools",
                "traceparent": TRACEPARENT,
            }
            answer = client.post(f"{server.url}/mcp", json=request, headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
            assert client.get(f"{server.url}/api/v1/nothing", headers={"traceparent": TRACEPARENT}).is_error
        code, logged = server.end()
        assert code == 0, logged

    spans = collector.spans()
    entered = spans["tools/call call_tools"]
    assert (entered.trace_id.hex(), entered.parent_span_id.hex()) == (TRACE, PARENT)
    assert spans["MCP send tools/call meta"].trace_id.hex() == TRACE
    rest = spans["GET other"]
    assert (rest.trace_id.hex(), rest.parent_span_id.hex()) == (TRACE, PARENT)


class Downstream(ThreadingHTTPServer):
    """Answers MCP (2025-11-25) over Streamable HTTP in JSON, and an API; keeps the headers of requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.seen: dict[str, JsonObject] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Downstream)
        self.server.seen[self.path] = dict(self.headers.items())
        self._answer({"here": True} if self.path == "/api" else None)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, number = message["method"], message.get("id")
        assert isinstance(self.server, Downstream)
        self.server.seen[method] = dict(self.headers.items())
        result: JsonObject | None = None
        if method == "initialize":
            info = {"name": "http", "version": "1"}
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        elif method == "tools/list":
            result = {"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": "asked"}]}
        if number is None:
            self._answer(None)
        elif result is None:
            error = {"code": -32601, "message": "Method not found"}
            self._answer({"jsonrpc": "2.0", "id": number, "error": error})
        else:
            self._answer({"jsonrpc": "2.0", "id": number, "result": result})

    def _answer(self, body: Json) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(202 if self.command == "POST" and not text else 200 if text else 405)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Json) -> None:
        """Say nothing."""


def test_requests_to_servers_and_apis_carry_the_trace_in_a_header(site: Json) -> None:
    with Downstream() as http:
        site.downstream({"http": {"url": f"{http.url}/mcp"}})
        handler: JsonObject = {"type": "http", "url": f"{http.url}/api", "allowPrivateAddresses": True}
        tool = {
            "name": "ask_api",
            "description": "Ask.",
            "inputSchema": {"type": "object"},
            "handler": handler,
        }
        (site.registry / "ask_api.json").write_text(json.dumps(tool))
        calls: JsonObject = {
            "calls": [{"tool": "http__ask", "arguments": {}}, {"tool": "ask_api", "arguments": {}}]
        }
        meta = {"traceparent": TRACEPARENT, "baggage": "customer=42"}
        with site.stdio() as client:
            client.initialize()
            answer = client.ask("tools/call", name="call_tools", arguments=calls, _meta=meta)
        http.shutdown()

    assert [slot["success"] for slot in answer["structuredContent"]["results"]] == [True, True], answer
    for request in ("tools/call", "/api"):
        headers = {name.lower(): value for name, value in http.seen[request].items()}
        assert headers["traceparent"].split("-")[1] == TRACE, request
        assert "baggage" not in headers  # what a client put there is not for strangers


def test_a_collector_that_is_not_understood_is_said_at_the_start(site: Json) -> None:
    with site.stdio(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", OTEL_EXPORTER_OTLP_PROTOCOL="grpc"
    ) as client:
        assert client.process.wait(60) == 1
        assert "'grpc'" in client.errors.rest()
