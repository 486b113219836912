"""Who may do what: roles as named sets of permissions. Whatever is in no set is denied.

A caller's role comes from how toolhone was launched, never from anything the caller says.
"""

from enum import StrEnum

from toolhone.exceptions import PermissionDeniedError


class Permission(StrEnum):
    """One thing that a caller may be allowed to do."""

    FIND_TOOLS = "find_tools"
    """Find and describe tools, read statistics and check values."""
    CALL_TOOLS = "call_tools"
    """Run tools and read their results."""
    COLLECT = "collect"
    """Hand in snapshots of work."""
    MONITOR = "monitor"
    """See datasets, jobs and models."""
    PREPARE = "prepare"
    """Prepare, export and compare by datasets."""
    TRAIN = "train"
    """Estimate, create, cancel and retry fine-tuning."""
    APPROVE = "approve"
    """Let work begin that costs money, and set budgets."""
    PROMOTE = "promote"
    """Decide which model an alias stands for."""
    ERASE = "erase"
    """Erase what is kept of an agent or a user."""


class Role(StrEnum):
    """A named set of permissions."""

    VIEWER = "viewer"
    AGENT = "agent"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset({Permission.FIND_TOOLS, Permission.MONITOR})
_AGENT = _VIEWER | {Permission.CALL_TOOLS, Permission.COLLECT}
_OPERATOR = _AGENT | {Permission.PREPARE}

PERMISSIONS = {
    Role.VIEWER: _VIEWER,
    Role.AGENT: _AGENT,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: frozenset(Permission),
}


def allows(role: Role, permission: Permission) -> bool:
    """Whether the role has the permission."""
    return permission in PERMISSIONS[role]


def require(role: Role, permission: Permission) -> None:
    """Let the role pass, or not.

    Raises:
        PermissionDeniedError: It has not this permission; the message names the roles that have.
    """
    if not allows(role, permission):
        having = " or ".join(other for other in Role if allows(other, permission))
        raise PermissionDeniedError(
            f"The role {role.value!r} has not the permission {permission.value!r}; it takes {having}. "
            "A role is given where toolhone is started: toolhone serve --role ROLE."
        )
