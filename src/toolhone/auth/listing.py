"""What lists show of an API token: never the token itself."""

from toolhone.identifiers import utc_timestamp
from toolhone.models import JsonObject
from toolhone.records.access import ApiToken


def token_json(token: ApiToken) -> JsonObject:
    """What is known of a token, for machines."""
    return {
        "token_id": token.token_id,
        "name": token.name,
        "role": token.role.value,
        "scopes": None if token.scopes is None else sorted(token.scopes),
        "tools": None if token.tools is None else list(token.tools),
        "requests_per_minute": token.requests_per_minute,
        "state": token.state(utc_timestamp()).value,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "used_on": token.used_on,
    }
