"""Who may do what."""

from itertools import pairwise

import pytest

from toolhone.access import ToolRules, allows, require
from toolhone.exceptions import PermissionDeniedError
from toolhone.models import Caller, ToolDefinition
from toolhone.roles import PERMISSIONS, Permission, Role


def caller(
    role: Role, scopes: frozenset[Permission] | None = None, tools: tuple[str, ...] | None = None
) -> Caller:
    return Caller(principal="token:1", role=role, scopes=scopes, tools=tools)


def tool(name: str, server: str | None = None) -> ToolDefinition:
    return ToolDefinition(name=name, description="", input_schema={}, server=server)


def test_each_role_may_do_all_that_the_one_before_it_may() -> None:
    for lower, higher in pairwise(Role):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_datasets_jobs_aliases_and_erasure_are_for_the_admin_alone() -> None:
    for permission in (
        Permission.PREPARE,
        Permission.TRAIN,
        Permission.APPROVE,
        Permission.PROMOTE,
        Permission.ERASE,
        Permission.TRUST,
        Permission.ADMINISTER,
    ):
        assert [role for role in Role if allows(caller(role), permission)] == [Role.ADMIN]


def test_what_work_holds_is_seen_by_who_may_see_what_every_caller_did() -> None:
    for permission in (Permission.READ_WORK, Permission.READ_AUDIT):
        assert [role for role in Role if allows(caller(role), permission)] == [Role.OPERATOR, Role.ADMIN]
    assert allows(caller(Role.VIEWER), Permission.MONITOR)


def test_every_role_has_its_permissions_written_down() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_a_refusal_names_what_is_missing_and_who_has_it() -> None:
    with pytest.raises(PermissionDeniedError) as refusal:
        require(caller(Role.AGENT), Permission.READ_AUDIT)
    assert refusal.value.message == (
        "The role 'agent' has not the permission 'read_audit'; it takes operator or admin. "
        "A role comes with a token (toolhone tokens issue --role ROLE) or from how toolhone was started "
        "(toolhone serve --role ROLE)."
    )


def test_scopes_only_ever_take_away() -> None:
    narrow = caller(Role.AGENT, frozenset({Permission.FIND_TOOLS, Permission.ERASE}))

    require(narrow, Permission.FIND_TOOLS)
    assert not allows(narrow, Permission.ERASE)
    with pytest.raises(PermissionDeniedError, match="scopes leave it out"):
        require(narrow, Permission.CALL_TOOLS)


def test_the_user_of_this_machine_may_do_everything() -> None:
    assert Caller(principal="local").role is Role.ADMIN


def test_without_lists_every_tool_is_allowed() -> None:
    rules = ToolRules({}, {})

    assert rules.allows(caller(Role.VIEWER), tool("erase_all", "files"))
    assert not rules.narrows(caller(Role.VIEWER))


def test_a_role_with_a_list_may_use_what_is_on_it_and_nothing_else() -> None:
    rules = ToolRules({Role.AGENT: ("github__get_*",)}, {Role.AGENT: ("time", "local")})
    agent = caller(Role.AGENT)

    assert rules.allows(agent, tool("github__get_issue", "github"))
    assert rules.allows(agent, tool("time__now", "time"))
    assert rules.allows(agent, tool("add"))
    assert not rules.allows(agent, tool("github__delete_repo", "github"))
    assert rules.narrows(agent)
    assert rules.allows(caller(Role.ADMIN), tool("github__delete_repo", "github"))


def test_a_credential_narrows_further_and_widens_nothing() -> None:
    rules = ToolRules({Role.AGENT: ("github__*",)}, {})
    narrow = caller(Role.AGENT, tools=("github__get_*", "time__*"))

    assert rules.allows(narrow, tool("github__get_issue", "github"))
    assert not rules.allows(narrow, tool("github__delete_repo", "github"))
    assert not rules.allows(narrow, tool("time__now", "time"))


def test_an_empty_list_allows_nothing() -> None:
    assert not ToolRules({Role.VIEWER: ()}, {}).allows(caller(Role.VIEWER), tool("add"))
