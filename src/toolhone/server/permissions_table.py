"""The one table of who may do what: each role against every endpoint, MCP tool and page.

It is made from what the routes and tools themselves declare, so it cannot say anything else than is done.
`python -m toolhone.server.permissions_table` writes it as `docs/permissions.md` has it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi.params import Depends
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from toolhone.roles import PERMISSIONS, Permission, Role
from toolhone.server import finetuning_resources, resources
from toolhone.server.api.given import Gate
from toolhone.server.api.routes import api_routes
from toolhone.server.dashboard.routes import dashboard_routes
from toolhone.server.definitions import INPUT_SCHEMAS
from toolhone.server.finetuning_definitions import PERMISSIONS as FINETUNING_PERMISSIONS
from toolhone.server.mcp import permission_for
from toolhone.server.observation import metrics_router
from toolhone.server.resource_permissions import permission_for_prompt, permission_for_resource

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OF_MCP = ("tool", "resource", "prompt")

HEAD = """\
# Who may do what

Made from the code by `python -m toolhone.server.permissions_table`; a test fails if it is not up to date,
and another one sends every request with a token of every role and compares.

A role is a set of permissions (`toolhone.roles`). What is in no set is denied. A token can be narrower than
its role: by scopes, which are permissions, and by patterns of names of tools. Its role is never wider than
what toolhone was launched with (`--role`). `any` is everybody with a valid credential.

What a resource takes is needed too to complete its address and to hear of its changes. A result or a session
is its caller's alone, whatever the role."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be asked for."""

    method: str
    """`tool`, `resource` or `prompt` for MCP."""
    name: str
    """A path, the name of a tool or a prompt, or the address of a resource."""
    gates: tuple[Permission | None, ...]
    """What it takes, all of it; `None` is any credential. Without one it is open to everybody."""

    def allows(self, role: Role) -> bool:
        """Whether this role may ask for it."""
        return all(gate is None or gate in PERMISSIONS[role] for gate in self.gates)

    @property
    def takes(self) -> str:
        """The permission in words."""
        return " and ".join(gate.value for gate in self.gates if gate is not None) or "any"


def entries_of(routes: Sequence[BaseRoute]) -> Iterator[Entry]:
    """The endpoints of routes, as they declare themselves."""
    for route in iter_route_contexts(routes):
        dependencies: Sequence[Depends] = getattr(route, "dependencies", ())
        gates = [one.dependency for one in dependencies if isinstance(one.dependency, Gate)]
        for method in METHODS:
            if method in (route.methods or ()):
                yield Entry(method, route.path or "", tuple(gate.permission for gate in gates))


def endpoints() -> list[Entry]:
    """REST."""
    return list(entries_of(api_routes()))


def pages() -> list[Entry]:
    """The dashboard, without what is public: the login, and files that say nothing of anybody."""
    return [entry for entry in entries_of(dashboard_routes()) if entry.gates]


def others() -> list[Entry]:
    """Metrics, the description of REST, and MCP, whose tools ask for more each."""
    mcp = [Entry(method, "/mcp", (None,)) for method in ("GET", "POST", "DELETE")]
    sse = [Entry("GET", "/sse", (None,)), Entry("POST", "/messages/", (None,))]
    described = Entry("GET", "/api/v1/openapi.json", (None,))
    return [*entries_of(metrics_router().routes), described, *mcp, *sse]


def tools() -> list[Entry]:
    """MCP."""
    return [
        Entry("tool", name, (permission_for(name),)) for name in (*INPUT_SCHEMAS, *FINETUNING_PERMISSIONS)
    ]


def readable() -> list[Entry]:
    """Resources of MCP."""
    fixed = [one.uri for one in (*resources.listing(), *finetuning_resources.listing())]
    named = [one.uri_template for one in (*resources.templates(), *finetuning_resources.templates())]
    return [Entry("resource", uri, (permission_for_resource(uri),)) for uri in (*fixed, *named)]


def prompts() -> list[Entry]:
    """Prompts of MCP."""
    known = (*resources.prompts(), *finetuning_resources.prompts())
    return [Entry("prompt", one.name, (permission_for_prompt(one.name),)) for one in known]


def rendered() -> str:
    """The table as a page of the documentation."""
    roles = ["", "## Roles", "", _row("permission", *Role), _line(1)]
    for permission in Permission:
        marks = ("yes" if permission in PERMISSIONS[role] else "" for role in Role)
        roles.append(_row(f"`{permission}`", *marks))
    parts = [HEAD, *roles]
    sections = {
        "MCP tools": tools(),
        "MCP resources": readable(),
        "MCP prompts": prompts(),
        "REST": endpoints(),
        "Dashboard": pages(),
        "Others": others(),
    }
    for title, entries in sections.items():
        parts += ["", f"## {title}", "", _row("request", "takes", *Role), _line(2)]
        for entry in entries:
            name = f"`{entry.name}`" if entry.method in OF_MCP else f"`{entry.method} {entry.name}`"
            parts.append(
                _row(name, f"`{entry.takes}`", *("yes" if entry.allows(role) else "" for role in Role))
            )
    return "\n".join(parts) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _line(left: int) -> str:
    return _row(*["---"] * left, *[":-:"] * len(Role))


if __name__ == "__main__":
    sys.stdout.write(rendered())
