"""A real authorization server and an MCP server that takes its tokens, each on a port of its own."""

import base64
import hashlib
import secrets
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import unquote, urlencode

import anyio
import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from toolhone.models import Json, JsonObject


class Authorization:
    """Gives tokens. A refresh token is good once; a second use ends the login it is of, as real ones do."""

    def __init__(self) -> None:
        self.url = ""
        self.forget_all()

    def forget_all(self) -> None:
        self.clients: dict[str, JsonObject] = {
            "machine": {"client_secret": "s3cret-of-the-machine", "redirect_uris": []},
            "known": {"redirect_uris": ["http://localhost:{port}/callback"]},
        }
        self.lifetime: int | None = 3600
        self.registers = True
        """Whether it lets programs register themselves."""
        self.refuses: str | None = None
        """What it answers instead of asking the user."""
        self.is_down = False
        self.instead: Response | None = None
        """What the token endpoint answers instead of an answer."""
        self.authorizes_at: str | None = None
        """Where it says that users log in, if not here."""
        self.may_answer = threading.Event()
        """Cleared to hold back what was decided about tokens."""
        self.may_answer.set()
        self.has_decided = threading.Event()
        self.asked: list[str] = []
        """The grant types of requests for tokens, in their order."""
        self.presented: list[str] = []
        """The header `Authorization` of these requests, or nothing."""
        self.authorized: list[dict[str, str]] = []
        """What the browser brought."""
        self.secrets: list[str] = []
        """Every token and code that was ever given."""
        self.good: set[str] = set()
        """The access tokens that are taken."""
        self.codes: dict[str, dict[str, str]] = {}
        self.refreshing: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.logins = 0
        self.ended: set[int] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/oauth-authorization-server", self.metadata),
            Route("/register", self.register, methods=["POST"]),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
        ]

    async def metadata(self, request: Request) -> Response:
        register = {"registration_endpoint": f"{self.url}/register"} if self.registers else {}
        return JSONResponse(
            {
                **register,
                "issuer": self.url,
                "authorization_endpoint": self.authorizes_at or f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "revocation_endpoint": f"{self.url}/revoke",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def register(self, request: Request) -> Response:
        asked: JsonObject = await request.json()
        name = f"client-{len(self.clients)}"
        self.clients[name] = {**asked, "token_endpoint_auth_method": "none"}
        return JSONResponse({**self.clients[name], "client_id": name}, 201)

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.authorized.append(asked)
        if self.refuses:
            said = {"error": self.refuses, "error_description": "You said no."}
        else:
            code = self._secret()
            self.codes[code] = asked
            said = {"code": code}
        back = {**said, "state": asked["state"], "iss": self.url}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        asked = {key: str(value) for key, value in (await request.form()).items()}
        self.asked.append(asked["grant_type"])
        self.presented.append(request.headers.get("authorization", ""))
        answer = self.instead
        if self.is_down:
            answer = PlainTextResponse("out to lunch", 503)
        return await self._when_it_may(answer or self._decide(asked, self.presented[-1]))

    async def revoke(self, request: Request) -> Response:
        asked = await request.form()
        family = self.refreshing.pop(str(asked["token"]), None)
        if family is not None:
            self._end(family)
        return await self._when_it_may(Response())

    async def _when_it_may(self, answer: Response) -> Response:
        self.has_decided.set()
        await anyio.to_thread.run_sync(self.may_answer.wait)
        return answer

    def end_access(self) -> None:
        """Every access token is old now; refresh tokens are good."""
        self.good.clear()

    def end_logins(self) -> None:
        """No refresh token is good any more either."""
        self.good.clear()
        self.refreshing.clear()

    def _decide(self, asked: dict[str, str], authorization: str) -> Response:
        match asked["grant_type"]:
            case "authorization_code":
                began = self.codes.pop(asked["code"], {})
                digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
                if challenge != began.get("code_challenge") or asked["redirect_uri"] != began["redirect_uri"]:
                    return _refused("invalid_grant")
                self.logins += 1
                return self._granted(self.logins, began.get("scope"))
            case "refresh_token":
                token = asked["refresh_token"]
                if token in self.used:
                    self._end(self.used[token])
                family = self.refreshing.pop(token, None)
                if family is None or family in self.ended:
                    return _refused("invalid_grant")
                self.used[token] = family
                return self._granted(family, None)
            case _:
                said = base64.b64decode(authorization.removeprefix("Basic ")).decode()
                name, _, secret = (unquote(part) for part in said.partition(":"))
                if self.clients.get(name, {}).get("client_secret") != secret:
                    return _refused("invalid_client")
                access = self._secret()
                self.good.add(access)
                return JSONResponse({"access_token": access, "token_type": "Bearer", "expires_in": 3600})

    def _granted(self, family: int, scope: str | None) -> Response:
        access, refresh = self._secret(), self._secret()
        self.good.add(access)
        self.refreshing[refresh] = family
        answer: JsonObject = {"access_token": access, "token_type": "bearer", "refresh_token": refresh}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if scope:
            answer["scope"] = scope
        return JSONResponse(answer)

    def _end(self, family: int) -> None:
        self.ended.add(family)
        self.good.clear()

    def _secret(self) -> str:
        self.secrets.append(secrets.token_urlsafe(24))
        return self.secrets[-1]


def _refused(error: str) -> Response:
    return JSONResponse({"error": error}, 400)


class Door:
    """Lets in who shows a token that is good."""

    def __init__(self, app: ASGIApp, server: "LoginServer") -> None:
        self.app = app
        self.server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/.well-known/"):
            await self.app(scope, receive, send)
            return
        shown = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        metadata = f'Bearer resource_metadata="{self.server.url}/.well-known/oauth-protected-resource/mcp"'
        if shown not in self.server.authorization.good:
            self.server.turned_away += 1
            headers = {"WWW-Authenticate": self.server.challenge or f'{metadata}, scope="read"'}
            await PlainTextResponse("who are you?", 401, headers)(scope, receive, send)
        elif self.server.wants_more:
            headers = {"WWW-Authenticate": f'{metadata}, error="insufficient_scope", scope="write"'}
            await PlainTextResponse("not this", 403, headers)(scope, receive, send)
        else:
            self.server.tokens_shown.add(shown)
            await self.app(scope, receive, send)


class LoginServer:
    """An MCP server that takes the tokens of `authorization` and nothing else."""

    def __init__(self) -> None:
        self.url = ""
        self.authorization = Authorization()
        self.forget_all()

    def forget_all(self) -> None:
        """Be as at the start, at the same addresses."""
        self.authorization.forget_all()
        self.turned_away = 0
        self.wants_more = False
        self.tokens_shown: set[str] = set()
        self.resource: str | None = None
        """What it says that it is, if not itself."""
        self.publishes = True
        """Whether it says where its tokens come from."""
        self.challenge: str | None = None
        """What it says to strangers, if not this."""

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    @property
    def sse(self) -> str:
        return f"{self.url}/sse"

    def app(self) -> ASGIApp:
        mcp = MCPServer("protected")
        inside = 0
        both = anyio.Event()

        @mcp.tool()
        def add(a: int, b: int) -> int:  # pyright: ignore[reportUnusedFunction]
            return a + b

        @mcp.tool()
        async def meet() -> str:  # pyright: ignore[reportUnusedFunction]
            """Answer once two calls are there at the same time."""
            nonlocal inside
            inside += 1
            if inside == 2:
                both.set()
            await both.wait()
            return "met"

        async def resource(request: Request) -> Response:
            if not self.publishes:
                return PlainTextResponse("no", 404)
            return JSONResponse(
                {
                    "resource": self.resource or self.mcp,
                    "authorization_servers": [self.authorization.url],
                    "scopes_supported": ["read", "write"],
                }
            )

        # The headers of an answer come only once the tool has run.
        streamable, sse = mcp.streamable_http_app(json_response=True), mcp.sse_app()
        return Starlette(
            routes=[
                Route("/.well-known/oauth-protected-resource/mcp", resource),
                *streamable.routes,
                *sse.routes,
            ],
            middleware=[Middleware(Door, server=self)],
            lifespan=lambda _app: mcp.session_manager.run(),
        )


@contextmanager
def serving() -> Generator[LoginServer]:
    """Both servers, in a thread of their own, until the block ends."""
    server = LoginServer()
    apps = [(server.app, "on"), (lambda: Starlette(routes=server.authorization.routes()), "off")]
    sockets = [_listening() for _ in apps]
    server.url, server.authorization.url = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    started = threading.Semaphore(0)
    running: list[uvicorn.Server] = []

    class Told(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.release()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for (make, lifespan), each in zip(apps, sockets, strict=True):
                config = uvicorn.Config(make(), log_level="critical", lifespan=_lifespan(lifespan))
                running.append(Told(config))
                tasks.start_soon(running[-1].serve, [each])

    thread = threading.Thread(target=anyio.run, args=(main,))
    thread.start()
    try:
        for _ in apps:
            assert started.acquire(timeout=15)
        yield server
    finally:
        server.authorization.may_answer.set()
        for each in running:
            each.should_exit = each.force_exit = True
        thread.join(15)


def _lifespan(word: str) -> Json:
    return word


def _listening() -> socket.socket:
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found
