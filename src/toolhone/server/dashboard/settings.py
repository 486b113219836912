"""The page of settings: each value, where it came from and what it means. Settings hold no secrets."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone.json_values import is_array, is_object
from toolhone.models import Json
from toolhone.redaction import redact_text
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.meanings import meanings_of
from toolhone.settings import PREFIX, Settings, config_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A setting on the page."""

    name: str
    variable: str
    value: str
    origin: str
    """Empty for a default."""
    meaning: str


def settings_pages() -> APIRouter:
    router = page_router()

    @router.get("/settings", dependencies=[allowed(Permission.OPERATE)])
    async def settings(request: Request, app: GivenApp) -> HTMLResponse:
        shown = shown_settings(app.settings)
        return render(
            request,
            "settings.html",
            title="Settings",
            nav="settings",
            given=[one for one in shown if one.origin],
            defaults=[one for one in shown if not one.origin],
            file=config_folder() / "settings.toml",
        )

    return router


def shown_settings(settings: Settings) -> list[Shown]:
    """All settings, by their order in the source.

    Secrets stand in the environment, and settings only name their variables. A value passes the redaction of
    the audit all the same: an address may have a password in it.
    """
    meanings = meanings_of(Settings)
    values: dict[str, Json] = settings.model_dump(mode="json")
    return [
        Shown(
            name=name,
            variable=f"{PREFIX}{name.upper()}",
            value=redact_text(_written(values[name])),
            origin=settings.origins.get(name, ""),
            meaning=meanings.get(name, ""),
        )
        for name in Settings.model_fields
    ]


def _written(value: Json) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_object(value):
        return ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) or "none"
    if is_array(value):
        return ", ".join(_written(one) for one in value) or "none"
    return f"{value:,.12g}" if isinstance(value, int | float) else str(value)
