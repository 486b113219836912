"""Takes OTLP over HTTP at HOST:PORT and writes what it was told into FILE: service and span, a line each.

python3 collector.py HOST:PORT FILE
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ADDRESS, FILE = sys.argv[1:]
HOST, _, PORT = ADDRESS.partition(":")


class Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with Path(FILE).open("a") as file:
            for told in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {entry.key: entry.value.string_value for entry in told.resource.attributes}
                for scope in told.scope_spans:
                    file.writelines(f"{names['service.name']}: {span.name}\n" for span in scope.spans)
        self.send_response(200)
        self.end_headers()


HTTPServer((HOST, int(PORT)), Collector).serve_forever()
