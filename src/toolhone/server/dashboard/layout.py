"""The frame of every page: how a template is rendered, what it is given, and what the navigation shows.

A page is a route of a router made by `page_router()` (errors.py), which answers errors as pages too:

    router = page_router()

    @router.get("/jobs", dependencies=[allowed(Permission.MONITOR)])
    async def jobs(request: Request, system: GivenSystem, caller: GivenCaller) -> HTMLResponse:
        found = await system.jobs(caller=caller)
        return render(request, "jobs.html", title="Jobs", nav="jobs", jobs=found)

and a template that extends `base.html`:

    {% extends "base.html" %}
    {% from "macros.html" import badge, empty, moment %}
    {% block lead %}One sentence that says what this page is.{% endblock %}
    {% block actions %}buttons beside the heading{% endblock %}
    {% block content %}…{% endblock %}

Every template has: `title`, `may("train")` (whether the caller has a permission), `caller`, `csrf` (put
`{{ csrf_field() }}` of macros.html into every form that posts; import it `with context`), `here` (this
path), `static("NAME")` (the address of an asset), `chart_assets` (set `charts=True` to have them loaded).

Text of others needs no care: it is escaped, and what cannot be seen or turns the direction of the text is
replaced. Never use `|safe`. Scripts and styles stand in `static/` only; the policy of the pages lets nothing
else run. Filters are in `formats.py`. `data-live="ID"` on an element with that id lets static/live.js replace
its content every few seconds, with what the same address answers then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from toolhone import __version__
from toolhone.access import permissions
from toolhone.invisible import with_unseen_shown
from toolhone.json_values import well_formed
from toolhone.models import Json
from toolhone.roles import Permission
from toolhone.server.api.given import caller_of
from toolhone.server.dashboard.assets import address
from toolhone.server.dashboard.formats import FILTERS
from toolhone.server.same_page import CSRF


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation."""

    key: str
    label: str
    path: str
    permission: Permission | None
    """Who has not this does not see it."""
    group: str


NAVIGATION = (
    Entry("overview", "Overview", "/", None, "Use"),
    Entry("servers", "Servers", "/servers", Permission.OPERATE, "Use"),
    Entry("tools", "Tools", "/tools", Permission.FIND_TOOLS, "Use"),
    Entry("audit", "Audit", "/audit", Permission.READ_AUDIT, "Use"),
    Entry("snapshots", "Snapshots", "/snapshots", Permission.READ_WORK, "Learn"),
    Entry("datasets", "Datasets", "/datasets", Permission.MONITOR, "Learn"),
    Entry("jobs", "Jobs", "/jobs", Permission.MONITOR, "Learn"),
    Entry("models", "Models", "/models", Permission.MONITOR, "Learn"),
    Entry("selector", "Selector", "/selector", Permission.MONITOR, "Learn"),
    Entry("access", "Access", "/access", Permission.ADMINISTER, "Run"),
    Entry("privacy", "Privacy", "/privacy", Permission.ERASE, "Run"),
    Entry("settings", "Settings", "/settings", Permission.OPERATE, "Run"),
)


def render(
    request: Request,
    template: str,
    *,
    title: str,
    nav: str = "",
    charts: bool = False,
    http_status: int = 200,
    **context: Json,
) -> HTMLResponse:
    """A page.

    Args:
        title: Its heading.
        nav: The key of the entry of the navigation that it belongs to.
        charts: Whether it has charts, so that their scripts are loaded.
        http_status: Of the answer.
        context: What the template shows.
    """
    caller = caller_of(request)
    allowed = permissions(caller)

    def may(permission: str) -> bool:
        return Permission(permission) in allowed

    html = (
        templates()
        .get_template(template)
        .render(
            title=title,
            nav=nav,
            charts=charts,
            entries=[
                entry for entry in NAVIGATION if entry.permission is None or entry.permission in allowed
            ],
            may=may,
            caller=caller,
            csrf=request.scope.get(CSRF, ""),
            here=request.url.path,
            query=request.url.query,
            version=__version__,
            **context,
        )
    )
    return HTMLResponse(html, http_status)


def render_bare(template: str, *, title: str, status: int = 200, **context: Json) -> HTMLResponse:
    """A page for who is nobody yet: without navigation, and without anything of the caller."""
    html = templates().get_template(template).render(title=title, version=__version__, **context)
    return HTMLResponse(html, status)


@cache
def templates() -> Environment:
    """Where the templates are, and what each of them can use."""
    environment = Environment(
        loader=PackageLoader("toolhone.server.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    environment.filters.update(FILTERS)
    globals_: Mapping[str, Json] = {"static": address}
    environment.globals.update(globals_)
    return environment


def _seen(value: Json) -> Json:
    """What an expression writes: what cannot be seen in a text is shown, and all of it can be sent."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return with_unseen_shown(well_formed(value))
