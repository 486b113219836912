"""Who may do what: the one place that decides, for MCP, REST, the dashboard, the CLI and the library.

A caller's role and scopes come from its credential or from how toolhone was launched, never from anything
that it says. What nothing allows is denied.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from toolhone.exceptions import PermissionDeniedError
from toolhone.models import Caller, ToolDefinition
from toolhone.roles import PERMISSIONS, Permission, Role


def permissions(caller: Caller) -> frozenset[Permission]:
    """All that the caller may do: what its role allows, as far as its credential does."""
    allowed = PERMISSIONS[caller.role]
    return allowed if caller.scopes is None else allowed & caller.scopes


def allows(caller: Caller, permission: Permission) -> bool:
    """Whether the caller has the permission."""
    return permission in permissions(caller)


def lower(one: Role, other: Role) -> Role:
    """The role of the two that may do less. Each role may do all that the ones before it may."""
    return one if PERMISSIONS[one] <= PERMISSIONS[other] else other


def require(caller: Caller, permission: Permission) -> None:
    """Let the caller pass, or not.

    Raises:
        PermissionDeniedError: It has not this permission; the message says what would have it.
    """
    if allows(caller, permission):
        return
    data = {"permission": permission.value, "role": caller.role.value}
    if permission in PERMISSIONS[caller.role]:
        raise PermissionDeniedError(
            f"This token is not for {permission.value!r}: its scopes leave it out. Use another token.",
            data=data,
        )
    having = " or ".join(role for role in Role if permission in PERMISSIONS[role])
    raise PermissionDeniedError(
        f"The role {caller.role.value!r} has not the permission {permission.value!r}; it takes {having}. "
        "A role comes with a token (toolhone tokens issue --role ROLE) or from how toolhone was started "
        "(toolhone serve --role ROLE).",
        data=data,
    )


class ToolRules:
    """Which tools each role may find and call: allow lists by the names of tools and of servers.

    A role that is in neither list may use every tool. One that is in any may use what one of them matches,
    and nothing else. A credential can narrow that further.
    """

    def __init__(self, tools: Mapping[Role, Sequence[str]], servers: Mapping[Role, Sequence[str]]) -> None:
        """Take the lists.

        Args:
            tools: Patterns of names of tools by role, as in `github__*`.
            servers: Patterns of names of servers by role; `local` is what is no server's.
        """
        self._tools = tools
        self._servers = servers

    def allows(self, caller: Caller, tool: ToolDefinition) -> bool:
        """Whether the caller may find and call this tool."""
        if caller.tools is not None and not _matches(tool.name, caller.tools):
            return False
        if caller.role not in self._tools and caller.role not in self._servers:
            return True
        return _matches(tool.name, self._tools.get(caller.role, ())) or _matches(
            tool.server_name, self._servers.get(caller.role, ())
        )

    def allows_name(self, caller: Caller, name: str) -> bool:
        """Whether the caller may use a tool of this name whatever server it is of."""
        if caller.tools is not None and not _matches(name, caller.tools):
            return False
        if caller.role not in self._tools and caller.role not in self._servers:
            return True
        return _matches(name, self._tools.get(caller.role, ()))

    def allows_server(self, caller: Caller, server: str) -> bool:
        """Whether the caller may know that there is a server of this name."""
        if not self.narrows(caller):
            return True
        return caller.tools is None and _matches(server, self._servers.get(caller.role, ()))

    def narrows(self, caller: Caller) -> bool:
        """Whether there may be tools that the caller must not use."""
        return caller.tools is not None or caller.role in self._tools or caller.role in self._servers


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
