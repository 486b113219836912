"""/health: the process answers. /ready: it can do its work; if not, why. Neither asks for a credential."""

import shutil
from dataclasses import dataclass

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from toolhone import __version__
from toolhone.app import App
from toolhone.exceptions import ToolhoneError
from toolhone.models import JsonObject
from toolhone.server.api.given import GivenApp
from toolhone.server.dashboard.preparation import Preparation

ROOM = 64 * 1024 * 1024
"""Bytes that must be free in the data folder: with less, the audit would soon refuse every call."""

PATIENCE = 5.0
"""Seconds that a check may take."""

FRESH_FOR = 1.0
"""Seconds that an answer is given again: anybody may ask, and every look takes the audit's lock."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so. Reasons name no path and no secret: nobody is asked who they are."""

    ok: bool
    reason: str | None = None

    def as_json(self) -> JsonObject:
        return {"ok": self.ok, **({"reason": self.reason} if self.reason else {})}


class Readiness:
    """Looks whether an app can do its work; looks that come together are one."""

    def __init__(self, app: App, preparation: Preparation) -> None:
        self._app = app
        self._preparation = preparation
        self._looking = anyio.Lock()
        self._seen: tuple[float, dict[str, Check]] | None = None

    async def checks(self) -> dict[str, Check]:
        """Everything that is looked at, by name."""
        async with self._looking:
            now = anyio.current_time()
            if self._seen is None or now - self._seen[0] > FRESH_FOR:
                self._seen = anyio.current_time(), await self._look()
            return self._seen[1]

    async def _look(self) -> dict[str, Check]:
        return {
            "registry": self._registry(),
            "audit": await self._audit(),
            "data_folder": await self._room(),
            "selector": self._selector(),
            "dashboard": await self._dashboard(),
        }

    def _registry(self) -> Check:
        if self._app.built_gateway is None:
            return Check(False, "The tools are still being loaded.")
        return Check(True)

    async def _audit(self) -> Check:
        try:
            with anyio.fail_after(PATIENCE):
                await self._app.audit.check_writable()
        except ToolhoneError as error:
            return Check(False, f"The audit cannot be written ({error.code}), so no call would be run.")
        except TimeoutError:
            return Check(False, "The audit did not answer in time; another process may hold its lock.")
        return Check(True)

    async def _room(self) -> Check:
        try:
            free = (await anyio.to_thread.run_sync(shutil.disk_usage, self._app.settings.data)).free
        except OSError:
            return Check(False, "The data folder cannot be looked at.")
        if free < ROOM:
            return Check(
                False, f"The data folder's disk has {free // 2**20} MiB left; {ROOM // 2**20} are needed."
            )
        return Check(True)

    def _selector(self) -> Check:
        gateway = self._app.built_gateway
        if gateway is None:
            return Check(False, "It is still being built.")
        # It answers all the same, so this keeps nobody away.
        if gateway.selector_problem:
            return Check(True, "Tools are chosen by words alone: the encoder failed.")
        encoded, tools = gateway.encoded
        if encoded < tools:
            return Check(
                True,
                f"{encoded} of {tools} tools are encoded; the others are chosen by words alone. Encoding "
                "begins with the first task that tools are looked for.",
            )
        return Check(True)

    async def _dashboard(self) -> Check:
        # Waited for, since it is a matter of a second after the start.
        if await self._preparation.is_over(within=PATIENCE):
            return Check(True)
        return Check(False, "Its pages are still being made ready.")


def health_router() -> APIRouter:
    """Both, outside of the OpenAPI description of REST."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @router.api_route("/ready", methods=["GET", "HEAD"])
    async def ready(request: Request, app: GivenApp) -> JSONResponse:
        state = request.app.state
        if not hasattr(state, "readiness"):
            state.readiness = Readiness(app, state.preparation)
        checks: dict[str, Check] = await state.readiness.checks()
        well = all(check.ok for check in checks.values())
        body: JsonObject = {
            "status": "ready" if well else "not_ready",
            "checks": {name: check.as_json() for name, check in checks.items()},
        }
        return JSONResponse(body, 200 if well else 503)

    return router
