"""Who may come in over HTTP: the real server, asked as strangers, agents and browsers ask it."""

import gzip
import json
import re
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import httpx2
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json

ACCEPT = {"Accept": "application/json, text/event-stream"}
PAGE = {"Accept": "text/html"}

CLOSED = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages/?session_id=" + "0" * 32),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/nothing/of/this/name"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/audit"),
    ("POST", "/logout"),
    ("GET", "/login/../audit"),
    ("GET", "//mcp"),
    ("GET", "/MCP"),
]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Peer:
    """A client of 2025-11-25 with one credential, in plain JSON-RPC."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {**ACCEPT, "Content-Type": "application/json", **(bearer(token) if token else {})}
        self.http = httpx2.Client(base_url=url, headers=headers, timeout=60)
        answer = self.send("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=NAMED)
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]

    def send(self, method: str, *, session: str | None = None, **params: Json) -> httpx2.Response:
        headers = {"Mcp-Session-Id": session} if session else {}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.http.post("/mcp", json=message, headers=headers)

    def call(self, tool: str, **arguments: Json) -> JsonObject:
        """The result of one of toolhone's tools."""
        answer = self.send("tools/call", session=self.session, name=tool, arguments=arguments)
        assert answer.status_code == 200, answer.text
        messages = [line.removeprefix("data: ") for line in answer.text.splitlines() if "data: {" in line]
        return json.loads(messages[-1])["result"]


NAMED = {"name": "test", "version": "1"}

Join: TypeAlias = Callable[[Http, str | None], Peer]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_site: Site) -> Site:
    return type(shared_site)(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Http]:
    with site.http() as server:
        yield server
        code, logged = server.end()
    assert code == 0
    assert "Traceback" not in logged, logged


@pytest.fixture(scope="module")
def admin(server: Http) -> str:
    assert server.first_token is not None
    return server.first_token


@pytest.fixture(scope="module")
def agent(site: Site, server: Http) -> str:
    return site.token("agent")


@pytest.fixture
def http(server: Http) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def join() -> Iterator[Join]:
    """Makes peers, and ends them with the test."""
    with ExitStack() as stack:

        def peer(server: Http, token: str | None) -> Peer:
            made = Peer(server.url, token)
            stack.callback(made.http.close)
            return made

        yield peer


@pytest.fixture(scope="module")
def narrowed(site: Site, server: Http, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    """A second start on the same folder: over https, for viewers at most."""
    certificate, key = _self_signed(tmp_path_factory.mktemp("certificate"))
    options = ("--role", "viewer", "--tls-cert", str(certificate), "--tls-key", str(key))
    with site.http(*options) as server:
        yield server


def audited(site: Site, kind: str) -> list[JsonObject]:
    done = site.run_here("audit", "list", "--kind", kind, "-n", "1000", "--json", "--data", str(site.data))
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_nothing_is_open_without_a_credential(http: httpx2.Client, method: str, path: str) -> None:
    answer = http.request(method, path, headers=ACCEPT)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="toolhone"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", ["/audit?kind=call", "/", "/nothing"])
def test_a_browser_is_led_to_the_login_and_from_there_back(http: httpx2.Client, path: str) -> None:
    answer = http.get(path, headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == ("/login" if path == "/" else f"/login?next={quote(path, safe='')}")


def test_a_token_opens_what_its_role_may_do(server: Http, agent: str, site: Site, join: Join) -> None:
    asking = join(server, agent)
    ran = asking.call("call_tools", calls=[{"tool": "add", "arguments": {"a": 1, "b": 2}}])
    assert ran["structuredContent"]["results"][0]["result"] == {"sum": 3}

    watching = join(server, site.token("viewer"))
    refused = watching.call("call_tools", calls=[{"tool": "add", "arguments": {"a": 1, "b": 2}}])
    assert refused["isError"] and "permission_denied" in refused["content"][0]["text"]

    narrow = join(server, site.token("agent", "--scope", "find_tools"))
    refused = narrow.call("call_tools", calls=[{"tool": "add", "arguments": {"a": 1, "b": 2}}])
    assert refused["isError"] and "'call_tools'" in refused["content"][0]["text"]


def test_a_revoked_token_opens_nothing_also_in_a_session_that_it_began(
    server: Http, site: Site, join: Join
) -> None:
    token = site.token("agent")
    peer = join(server, token)
    assert "structuredContent" in peer.call("get_statistics")
    assert site.toolhone("tokens", "revoke", token.split("_")[1], "--data", str(site.data)).returncode == 0

    for session in (peer.session, None):
        answer = peer.send("tools/list", session=session)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_a_stream_ends_soon_after_its_token_is_revoked(
    server: Http, site: Site, path: str, join: Join
) -> None:
    token = site.token("agent")
    peer = join(server, token)
    headers = {"Mcp-Session-Id": peer.session} if path == "/mcp" else {}
    with ThreadPoolExecutor(1) as pool, peer.http.stream("GET", path, headers=headers) as stream:
        assert stream.status_code == 200
        rest = pool.submit(lambda: b"".join(stream.iter_raw()))
        assert not rest.done()
        site.toolhone("tokens", "revoke", token.split("_")[1], "--data", str(site.data))
        rest.result(timeout=60)


def test_nobody_speaks_in_the_session_of_another_or_reads_its_results(
    server: Http, site: Site, agent: str, join: Join
) -> None:
    mine, yours = join(server, agent), join(server, site.token("admin"))
    answer = yours.send("tools/list", session=mine.session)
    assert answer.status_code == 404
    assert yours.http.delete("/mcp", headers={"Mcp-Session-Id": mine.session}).status_code == 404

    ran = mine.call("call_tools", calls=[{"tool": "list_rows", "arguments": {"count": 2_000}}])
    handle = ran["structuredContent"]["results"][0]["handle"]
    assert mine.call("read_result", handle=handle)["structuredContent"]["total"] > 0
    refused = yours.call("read_result", handle=handle)
    assert refused["isError"] and "unknown_handle" in refused["content"][0]["text"]
    # The same credential in another session is the same caller.
    assert join(server, agent).call("read_result", handle=handle)["structuredContent"]["total"] > 0


def test_nobody_sends_into_the_event_stream_of_another(server: Http, agent: str, admin: str) -> None:
    with (
        httpx2.Client(base_url=server.url, timeout=60) as http,
        http.stream("GET", "/sse", headers=bearer(agent)) as stream,
    ):
        lines = stream.iter_lines()
        where = next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert http.post(where, json=ping, headers=bearer(admin)).status_code == 404
        assert http.post(where, json=ping).status_code == 401
        assert http.post(where, json=ping, headers=bearer(agent)).status_code == 202


@pytest.mark.parametrize(
    "given",
    [
        "Bearer thk_0123456789_" + "a" * 32,
        "Bearer",
        "Bearer thk_",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer ' OR 1=1 --",
        "thk_0123456789_" + "a" * 32,
    ],
)
def test_what_is_no_credential_opens_nothing(http: httpx2.Client, given: str) -> None:
    assert http.get("/api/v1/openapi.json", headers={"Authorization": given}).status_code == 401


@pytest.fixture(scope="module")
def guessed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Http]]:
    """A server at which somebody guesses."""
    other = type(site)(tmp_path_factory.mktemp("guessed"))
    with other.http() as server:
        yield other, server


def test_guessing_is_slowed_down_and_recorded_without_filling_the_disk(
    guessed: tuple[Site, Http],
) -> None:
    site, server = guessed
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        codes = [
            http.get("/api/v1/openapi.json", headers=bearer(f"thk_0123456789_{number:032}")).status_code
            for number in range(40)
        ]
        assert codes[:10] == [401] * 10
        assert codes[-1] == 429
        limited = http.post("/login", data={"token": "thk_0123456789_" + "a" * 32})
        assert limited.status_code == 429
        told = http.get("/mcp", headers=bearer("thk_0123456789_" + "b" * 32))
        assert told.status_code == 429 and 0 < int(told.headers["retry-after"]) <= 60
        # Behind one address may be many people: a good token opens, also one that was never seen before.
        token = site.token("agent")
        assert http.get("/api/v1/openapi.json", headers=bearer(token)).status_code == 200
        assert http.get(server.login).status_code == 200
    refusals = [row for row in audited(site, "access") if row["details"]["what"] == "refused"]
    assert {(row["user_id"], row["error_code"]) for row in refusals} == {
        ("address:127.0.0.1", "not_authenticated"),
        ("address:127.0.0.1", "rate_limited"),
    }
    assert len(refusals) == 2
    assert "a" * 32 not in json.dumps(refusals)
    assert "a" * 32 not in "".join(server.errors.seen)


def refused(site: Site, code: str) -> JsonObject:
    """The newest refusal at the door with this code."""
    return next(row for row in audited(site, "access") if row["error_code"] == code)


def test_guessed_login_codes_and_cookies_are_slowed_down_and_leave_a_trace(
    site: Site, tmp_path: Path
) -> None:
    other = type(site)(tmp_path)
    with other.http() as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        codes = [http.get("/login", params={"code": f"x{number}"}).status_code for number in range(12)]
        assert codes == [401] * 10 + [429] * 2
        assert refused(other, "not_authenticated")["details"]["path"] == "/login"
        name = f"toolhone_session_{server.url.rpartition(':')[2]}"
        forged = {"Cookie": f"{name}={'a' * 43}"}
        answers = [http.get("/api/v1/me", headers=forged) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        # The browser forgets it, so who was logged in before a restart is not turned away for ever.
        assert f'{name}=""' in answers[0].headers["set-cookie"]
        page = http.get("/audit", headers={**forged, **PAGE})
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Faudit")
        # None of it counts against tokens.
        assert http.get("/api/v1/me", headers=bearer("thk_" + "b" * 10 + "_" + "b" * 32)).status_code == 401


def test_a_forged_cookie_is_on_record(site: Site, tmp_path: Path) -> None:
    other = type(site)(tmp_path)
    with other.http() as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        name = f"toolhone_session_{server.url.rpartition(':')[2]}"
        http.get("/api/v1/me", headers={"Cookie": f"{name}={'a' * 43}"})
        row = refused(other, "not_authenticated")
        assert (row["user_id"], row["details"]["path"]) == ("address:127.0.0.1", "/api/v1/me")


def test_a_wrong_credential_at_sse_is_on_record_and_none_at_all_is_not(site: Site, tmp_path: Path) -> None:
    other = type(site)(tmp_path)
    guess = "thk_0123456789_" + "c" * 32
    with other.http() as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        assert http.get("/sse").status_code == 401
        assert [row for row in audited(other, "access") if row["success"] is False] == []
        assert http.get("/sse", headers=bearer(guess)).status_code == 401
        row = refused(other, "not_authenticated")
    told = {name: row["details"][name] for name in ("what", "method", "path")}
    assert told == {"what": "refused", "method": "GET", "path": "/sse"}
    assert (row["user_id"], row["success"]) == ("address:127.0.0.1", False)
    assert "c" * 32 not in json.dumps(row)


def test_sending_into_anothers_event_stream_is_on_record_and_its_id_is_not(
    site: Site, server: Http, agent: str
) -> None:
    other = site.token("operator")
    with (
        httpx2.Client(base_url=server.url, timeout=60) as http,
        http.stream("GET", "/sse", headers=bearer(agent)) as stream,
    ):
        lines = stream.iter_lines()
        where = next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert http.post(where, json=ping, headers=bearer(other)).status_code == 404
        who = http.get("/api/v1/me", headers=bearer(other)).json()["principal"]
    row = refused(site, "not_found")
    assert (row["user_id"], row["details"]["path"]) == (who, "/messages/")
    assert where.partition("session_id=")[2] not in json.dumps(audited(site, "access"))


def test_two_toolhones_of_one_machine_do_not_log_each_other_out(
    site: Site, server: Http, tmp_path: Path
) -> None:
    with type(site)(tmp_path).http() as second, httpx2.Client(timeout=60) as browser:
        token = site.token("viewer")
        assert browser.post(f"{server.url}/login", data={"token": token}).status_code == 303
        assert browser.get(second.login).status_code == 200
        assert browser.get(f"{server.url}/api/v1/me").status_code == 200
        assert browser.get(f"{second.url}/api/v1/me").status_code == 200


def test_a_credential_has_its_own_number_of_requests(server: Http, site: Site, agent: str) -> None:
    few = site.token("agent", "--rate", "2")
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        answers = [http.get("/api/v1/openapi.json", headers=bearer(few)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].headers["retry-after"]
        assert answers[-1].json()["code"] == "rate_limited"
        assert http.get("/api/v1/openapi.json", headers=bearer(agent)).status_code == 200


def test_an_expired_token_opens_nothing(server: Http, site: Site) -> None:
    token = site.token("agent", "--expires", "1m")
    with sqlite3.connect(site.data / "access.db") as connection:  # a minute is too long for a test
        connection.execute(
            "UPDATE tokens SET expires_at = ? WHERE token_id = ?",
            (datetime.now(UTC).isoformat(timespec="microseconds"), token.split("_")[1]),
        )
    connection.close()
    answer = httpx2.get(f"{server.url}/api/v1/openapi.json", headers=bearer(token))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/login", "/health", "/api/v1/openapi.json", "/static/toolhone.css", "/mcp"]
)
def test_pages_of_other_sites_and_other_names_reach_nothing(
    http: httpx2.Client, agent: str, path: str
) -> None:
    named = http.get(path, headers={"Host": "evil.example.com", **bearer(agent)})
    assert (named.status_code, named.json()["code"]) == (421, "unknown_host")
    for origin in (
        "https://evil.example.com",
        "null",
        "http://127.0.0.1.evil.example.com",
        "http://localhost@evil",
        "http://[",
    ):
        asked = http.get(path, headers={"Origin": origin, **bearer(agent)})
        assert (asked.status_code, asked.json()["code"]) == (403, "foreign_origin"), origin


def test_what_the_guard_turns_away_is_on_record(http: httpx2.Client, site: Site, agent: str) -> None:
    token = bearer(agent)
    http.get("/api/v1/me", headers={"Host": "evil.example.com", **token})
    http.get("/api/v1/me", headers={"Origin": "https://evil.example.com", **token})
    for code in ("unknown_host", "foreign_origin"):
        assert refused(site, code)["user_id"] == "address:127.0.0.1"
    http.post("/api/v1/tools/call", content=(b" " * 65_536 for _ in range(80)), headers=token)
    assert refused(site, "too_large")["details"]["path"] == "/api/v1/tools/call"


def test_speaking_in_anothers_session_is_on_record_and_its_id_in_no_log(
    site: Site, server: Http, agent: str, join: Join
) -> None:
    peer, other = join(server, agent), join(server, site.token("operator"))
    principal = other.http.get("/api/v1/me").json()["principal"]
    assert other.send("tools/list", session=peer.session).status_code == 404
    row = refused(site, "not_found")
    assert (row["user_id"], row["details"]["path"]) == (principal, "/mcp")
    assert other.http.delete("/mcp", headers={"Mcp-Session-Id": peer.session}).status_code == 404
    assert peer.send("tools/list", session=peer.session).status_code == 200
    logged = "".join(server.errors.seen)
    assert "credential does not match" in logged and peer.session not in logged


def test_too_large_a_body_is_refused_though_its_size_is_not_declared(http: httpx2.Client, agent: str) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 65_536

    for path in ("/mcp", "/api/v1/finetuning/collect", "/api/v1/tools/call"):
        answer = http.post(
            path, content=parts(), headers={**ACCEPT, "Content-Type": "application/json", **bearer(agent)}
        )
        assert answer.status_code == 413, path
        declared = http.post(
            path,
            content=b" " * 5_000_000,
            headers={**ACCEPT, "Content-Type": "application/json", **bearer(agent)},
        )
        assert declared.status_code == 413, path


@pytest.mark.parametrize("path", ["/mcp", "/api/v1/finetuning/collect", "/api/v1/finetuning/tools/select"])
@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_deeply_nested_body_is_a_client_error(
    http: httpx2.Client, agent: str, path: str, depth: int
) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * depth + b"]" * depth + b"}"
    headers = {**ACCEPT, "Content-Type": "application/json", **bearer(agent)}
    answer = http.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize(
    "value",
    ["1" + "0" * 5_000, "1e999", "NaN", '"\\ud800"', '{"x":1,"x":2}', "-" * 9_000, '"' + "\\u0000" * 9 + '"'],
)
def test_odd_json_is_taken_or_refused_as_json(http: httpx2.Client, agent: str, value: str) -> None:
    call = f'{{"calls":[{{"tool":"add","arguments":{{"a":{value},"b":2}}}}]}}'
    params = f'{{"name":"call_tools","arguments":{call}}}'
    message = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'
    headers = {**ACCEPT, "Content-Type": "application/json", **bearer(agent)}
    for path, body in (
        ("/mcp", message),
        ("/api/v1/tools/call", call),
        ("/api/v1/tools/find", f'{{"task":{value}}}'),
        ("/api/v1/tools/describe", f'{{"names":[{value}]}}'),
    ):
        answer = http.post(path, content=body, headers=headers)
        assert answer.status_code in {200, 400, 404, 422}, (path, answer.text)
        assert path == "/mcp" or answer.json()


@pytest.mark.parametrize("path", ["/mcp", "/api/v1/tools/find", "/api/v1/finetuning/collect"])
def test_a_compressed_body_is_not_unpacked(http: httpx2.Client, agent: str, path: str) -> None:
    headers = {**ACCEPT, "Content-Type": "application/json", "Content-Encoding": "gzip", **bearer(agent)}
    answer = http.post(path, content=gzip.compress(b'{"task":"add"}'), headers=headers)
    assert answer.status_code == 400


def test_a_flood_of_headers_costs_that_request_alone(http: httpx2.Client, agent: str) -> None:
    flood = {f"X-{number}": "a" * 10 for number in range(20_000)}
    with suppress(httpx2.TransportError):  # it may be cut off before it was sent whole
        assert http.get("/api/v1/me", headers={**bearer(agent), **flood}).status_code == 400
    assert http.get("/health").status_code == 200


def test_the_first_token_is_shown_once_and_every_start_logs_a_browser_in(
    server: Http, narrowed: Http, admin: str
) -> None:
    assert re.fullmatch(r"thk_[a-z0-9]{10}_[A-Za-z0-9]{32}", admin)
    assert "".join(server.errors.seen).count("thk_") == 1
    assert narrowed.first_token is None
    assert narrowed.login.partition("code=")[2] != server.login.partition("code=")[2]


@pytest.mark.parametrize("options", [("--log-format", "json"), ("--quiet-start",)])
def test_a_service_writes_how_to_get_in_to_files_that_only_its_user_reads(
    site: Site, tmp_path: Path, options: tuple[str, ...]
) -> None:
    other = type(site)(tmp_path)
    with other.start_quietly(*options) as server:
        line = server.errors.next()
        assert line is not None and str(other.data / "login-address") in line
        assert (json.loads(line)["level"] == "warning") if "json" in options else " WARNING " in line
        for name in ("first-admin-token", "login-address"):
            assert (other.data / name).stat().st_mode & 0o777 == 0o600
        login = (other.data / "login-address").read_text().strip()
        token = (other.data / "first-admin-token").read_text().strip()
        url = login.partition("/login")[0]
        assert httpx2.get(f"{url}/api/v1/me", headers=bearer(token), timeout=60).json()["role"] == "admin"
        assert httpx2.get(login, timeout=60).status_code == 200
        checked = other.toolhone("check", "--data", str(other.data))
        assert checked.returncode == 0 and "whole: " in checked.stdout, checked.stdout
        _, logged = server.end()
        assert "thk_" not in logged and "code=" not in logged
    # The address opens nothing any more; the token does until it is revoked.
    assert not (other.data / "login-address").exists()
    assert (other.data / "first-admin-token").exists()


def test_a_login_address_is_good_for_one_browser(server: Http, site: Site) -> None:
    with httpx2.Client(base_url=server.url, timeout=60) as browser:
        first = browser.get(server.login)
        assert first.status_code == 200
        cookie = first.headers["set-cookie"]
        port = server.url.rpartition(":")[2]
        assert re.fullmatch(rf"toolhone_session_{port}=\S{{43}}; HttpOnly; Path=/; SameSite=strict", cookie)
        assert browser.get("/api/v1/openapi.json").status_code == 200
        assert browser.get("/mcp", headers=ACCEPT).status_code == 401  # for programs, with a token
    with httpx2.Client(base_url=server.url, timeout=60) as late:
        again = late.get(server.login)
        assert again.status_code == 401 and "set-cookie" not in again.headers
    assert "logged_in" in {row["details"]["what"] for row in audited(site, "access")}


@contextmanager
def logged_in(server: Http, token: str) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60, headers={"Origin": server.url}) as browser:
        answer = browser.post("/login", data={"token": token, "next": "/audit?kind=call"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/audit?kind=call")
        yield browser


def test_what_a_login_changes_needs_the_token_of_its_page(server: Http, admin: str) -> None:
    with logged_in(server, admin) as browser:
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', browser.get("/", headers=PAGE).text))
        foreign = {"Sec-Fetch-Site": "cross-site"}
        for form, headers in (
            ({}, {}),
            ({"csrf": "x"}, {}),
            ({"csrf": csrf}, foreign),
            ({"csrf": csrf}, {"Sec-Fetch-Site": "same-site"}),
        ):
            assert browser.post("/logout", data=form, headers=headers).status_code == 403
        with logged_in(server, admin) as other:
            assert other.post("/logout", data={"csrf": csrf}).status_code == 403
        del browser.headers["Origin"]
        assert browser.post("/logout", data={"csrf": csrf}).status_code == 403
        assert browser.post("/logout", headers={"X-CSRF-Token": csrf}).status_code == 403
        browser.headers["Origin"] = server.url
        assert browser.get("/api/v1/openapi.json").status_code == 200

        assert browser.post("/logout", data={"csrf": csrf}).status_code == 303
        assert browser.get("/api/v1/openapi.json").status_code == 401


def test_logging_out_ends_the_session_and_not_only_the_cookie(server: Http, admin: str) -> None:
    with logged_in(server, admin) as browser:
        kept = dict(browser.cookies)
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', browser.get("/", headers=PAGE).text))
        browser.post("/logout", headers={"X-CSRF-Token": csrf})
        assert httpx2.get(f"{server.url}/api/v1/openapi.json", cookies=kept).status_code == 401


def test_a_login_ends_with_its_token(server: Http, site: Site) -> None:
    token = site.token("operator")
    with logged_in(server, token) as browser:
        assert browser.get("/api/v1/openapi.json").status_code == 200
        site.toolhone("tokens", "revoke", token.split("_")[1], "--data", str(site.data))
        assert browser.get("/api/v1/openapi.json").status_code == 401


def test_a_login_that_has_ended_is_no_guess_and_the_record_says_so(site: Site, tmp_path: Path) -> None:
    other = type(site)(tmp_path)
    with other.http() as server:
        token = other.token("operator")
        with logged_in(server, token) as browser:
            kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
            other.toolhone("tokens", "revoke", token.split("_")[1], "--data", str(other.data))
        answers = [httpx2.get(f"{server.url}/api/v1/me", headers=kept) for _ in range(20)]
        page = httpx2.get(f"{server.url}/audit", headers={**kept, **PAGE})
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "login_ended")}
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Faudit")
    refusals = [row for row in audited(other, "access") if row["success"] is False]
    assert {row["error_code"] for row in refusals} == {"login_ended"}
    assert refusals[-1]["details"]["path"] == "/api/v1/me"


@pytest.mark.parametrize(
    "onward", ["https://evil.example.com", "//evil.example.com", "/\\evil", "javascript:alert(1)", "/\n/x"]
)
def test_the_login_leads_nowhere_else(http: httpx2.Client, agent: str, onward: str) -> None:
    answer = http.post("/login", data={"token": agent, "next": onward})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_form_of_another_site_does_not_log_a_browser_in(http: httpx2.Client, agent: str) -> None:
    answer = http.post("/login", data={"token": agent}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_what_rest_refuses_a_caller_is_on_record(server: Http, site: Site, agent: str) -> None:
    answer = httpx2.post(f"{server.url}/api/v1/finetuning/datasets/general", headers=bearer(agent), json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    row = audited(site, "refusal")[0]
    assert row["user_id"] == f"token:{agent.split('_')[1]}"
    assert row["request_id"] == answer.headers["x-request-id"]
    path = "/api/v1/finetuning/datasets/general"
    assert row["details"] == {"method": "POST", "path": path, "permission": "prepare"}


def test_open_loopback_opens_mcp_to_agents_of_this_machine_and_nothing_else(site: Site, join: Join) -> None:
    with site.http("--open-loopback") as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        peer = join(server, None)
        assert "structuredContent" in peer.call("get_statistics")
        listed = peer.send("tools/list", session=peer.session).text
        assert "call_tools" in listed and "create_finetuning_job" not in listed
        for path in ("/api/v1/openapi.json", "/metrics", "/"):
            assert http.get(path).status_code == 401, path
        for mark in ("X-Forwarded-For", "Forwarded", "Via"):
            assert http.get("/sse", headers={mark: "for=10.1.2.3"}).status_code == 401, mark
        # A credential that is given must be good, also where none is needed.
        assert http.get("/mcp", headers=bearer("thk_0123456789_" + "a" * 32)).status_code == 401


def test_what_toolhone_is_launched_with_bounds_every_credential(narrowed: Http, admin: str) -> None:
    with httpx2.Client(base_url=narrowed.url, verify=False, timeout=60) as http:
        assert http.get("/api/v1/openapi.json", headers=bearer(admin)).status_code == 200
        assert http.get("/audit", headers={**PAGE, **bearer(admin)}).status_code == 403


def test_over_https_the_cookie_is_the_hosts_own(narrowed: Http) -> None:
    assert narrowed.url.startswith("https://")
    with httpx2.Client(base_url=narrowed.url, verify=False, timeout=60) as browser:
        cookie = browser.get(narrowed.login).headers["set-cookie"]
        port = narrowed.url.rpartition(":")[2]
        assert re.fullmatch(
            rf"__Host-toolhone_session_{port}=\S{{43}}; HttpOnly; Path=/; SameSite=strict; Secure", cookie
        )
        # Who is logged in by the address is no more than toolhone was launched with.
        assert browser.get("/audit", headers=PAGE).status_code == 403


def test_an_authorization_servers_tokens_open_mcp(site: Site, tmp_path: Path, join: Join) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    told: JsonObject = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{**told, "alg": "ES256", "kid": "k"}]}))
    issuer, audience = "https://login.example.com", "https://tools.example.com/mcp"

    def access_token(**claims: Json) -> str:
        now = int(time.time())
        body = {"iss": issuer, "aud": audience, "sub": "alice", "exp": now + 300, "scope": "toolhone:agent"}
        return jwt.encode({**body, **claims}, key, algorithm="ES256", headers={"kid": "k"})

    env = {
        "TOOLHONE_OAUTH_ISSUER": issuer,
        "TOOLHONE_OAUTH_AUDIENCE": audience,
        "TOOLHONE_OAUTH_JWKS": str(tmp_path / "keys.json"),
    }
    with site.http(**env) as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        where = "https://tools.example.com/.well-known/oauth-protected-resource/mcp"
        refused = http.get("/mcp", headers=ACCEPT)
        assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
        told = http.get("/.well-known/oauth-protected-resource/mcp").json()
        assert (told["resource"], told["authorization_servers"]) == (audience, [issuer])

        peer = join(server, access_token())
        assert "structuredContent" in peer.call("get_statistics")
        other = join(server, access_token(sub="bob"))
        assert other.send("tools/list", session=peer.session).status_code == 404
        for wrong in ({"aud": "https://other.example.com"}, {"scope": "openid"}, {"exp": 1}):
            assert http.get("/api/v1/openapi.json", headers=bearer(access_token(**wrong))).status_code == 401


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
