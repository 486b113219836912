"""Roles: named sets of permissions. Whatever is in no set is denied; `access.py` decides by them."""

from enum import StrEnum


class Permission(StrEnum):
    """One thing that a caller may be allowed to do."""

    FIND_TOOLS = "find_tools"
    """Find and describe tools, read statistics and check values."""
    CALL_TOOLS = "call_tools"
    """Run tools and read their results."""
    COLLECT = "collect"
    """Hand in snapshots of work."""
    MONITOR = "monitor"
    """See how much work is kept, datasets, jobs and models, without what the work holds."""
    READ_WORK = "read_work"
    """See what snapshots, rows of datasets and comparisons hold: what agents were given and answered."""
    READ_AUDIT = "read_audit"
    """See what every caller did, and the figures made of it."""
    OPERATE = "operate"
    """See the settings and the servers' configuration, and start servers anew."""
    PREPARE = "prepare"
    """Prepare, export and compare by datasets."""
    TRAIN = "train"
    """Estimate, create, cancel and retry fine-tuning."""
    APPROVE = "approve"
    """Let work begin that costs money, and set budgets."""
    PROMOTE = "promote"
    """Decide which model an alias stands for, and what the selector ranks with."""
    ERASE = "erase"
    """Erase what is kept of an agent or a user, and what is too old."""
    TRUST = "trust"
    """Let a tool be used whose definition has changed."""
    ADMINISTER = "administer"
    """Issue and revoke tokens, end logins, log in at servers, export and back up the data folder."""


class Role(StrEnum):
    """A named set of permissions."""

    VIEWER = "viewer"
    AGENT = "agent"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset({Permission.FIND_TOOLS, Permission.MONITOR})
_AGENT = _VIEWER | {Permission.CALL_TOOLS, Permission.COLLECT}
_OPERATOR = _AGENT | {Permission.READ_AUDIT, Permission.READ_WORK, Permission.OPERATE}

PERMISSIONS = {
    Role.VIEWER: _VIEWER,
    Role.AGENT: _AGENT,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: frozenset(Permission),
}
