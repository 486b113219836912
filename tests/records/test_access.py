"""Whether a token opens anything is decided in one place."""

from dataclasses import replace

from toolhone.records.access import ApiToken, TokenState
from toolhone.roles import Role

TOKEN = ApiToken(
    token_id="k3v9x2m7q1",
    name="test",
    role=Role.AGENT,
    created_at="2026-11-23T10:00:00.000000+00:00",
    created_by="local",
)
NOON = "2026-11-23T12:00:00.000000+00:00"


def test_a_token_is_valid_until_the_moment_at_which_it_expires() -> None:
    expiring = replace(TOKEN, expires_at=NOON)

    assert TOKEN.state(NOON) is TokenState.VALID
    assert expiring.state("2026-11-23T11:59:59.999999+00:00") is TokenState.VALID
    assert expiring.state(NOON) is TokenState.EXPIRED


def test_a_token_that_was_revoked_stays_revoked_when_it_expires() -> None:
    revoked = replace(TOKEN, expires_at=NOON, revoked_at=NOON)

    assert revoked.state("2026-11-23T11:00:00.000000+00:00") is TokenState.REVOKED
    assert revoked.state(NOON) is TokenState.REVOKED
