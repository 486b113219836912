"""Who may do what."""

from itertools import pairwise

import pytest

from toolhone.exceptions import PermissionDeniedError
from toolhone.models import Caller
from toolhone.roles import PERMISSIONS, Permission, Role, allows, require


def test_each_role_may_do_all_that_the_one_before_it_may() -> None:
    for lower, higher in pairwise(Role):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_money_models_and_erasure_are_for_the_admin_alone() -> None:
    for permission in (Permission.TRAIN, Permission.APPROVE, Permission.PROMOTE, Permission.ERASE):
        assert [role for role in Role if allows(role, permission)] == [Role.ADMIN]


def test_every_role_has_its_permissions_written_down() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_a_refusal_names_what_is_missing_and_who_has_it() -> None:
    with pytest.raises(PermissionDeniedError) as refusal:
        require(Role.AGENT, Permission.PREPARE)
    assert refusal.value.message == (
        "The role 'agent' has not the permission 'prepare'; it takes operator or admin. "
        "A role is given where toolhone is started: toolhone serve --role ROLE."
    )


def test_the_user_of_this_machine_may_do_everything() -> None:
    assert Caller(principal="local").role is Role.ADMIN
