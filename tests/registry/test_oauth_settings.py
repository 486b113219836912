"""How an entry says what its login is, in the words of hosts."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolhone.models import Json, JsonObject
from toolhone.registry.config import Endpoint, ServerEntry, ServersFile, load_servers
from toolhone.registry.oauth_settings import OAuth

URL = "https://docs.example.org/mcp"


def load(tmp_path: Path, entry: JsonObject, environ: Mapping[str, str] | None = None) -> ServersFile:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"docs": {"url": URL, **entry}}}))
    return load_servers(path, environ or {})


def only(file: ServersFile) -> ServerEntry:
    (entry,) = file.entries
    return entry


def oauth_of(entry: ServerEntry) -> OAuth | None:
    assert isinstance(entry.target, Endpoint)
    return entry.target.oauth


def test_nothing_need_be_said(tmp_path: Path) -> None:
    assert oauth_of(only(load(tmp_path, {}))) == OAuth()


@pytest.mark.parametrize("entry", [{"oauth": False}, {"headers": {"authorization": "Bearer x"}}])
def test_a_server_that_is_sent_what_it_needs_is_not_logged_in_to(tmp_path: Path, entry: JsonObject) -> None:
    assert oauth_of(only(load(tmp_path, entry))) is None


def test_a_registered_client_is_read_with_its_variables(tmp_path: Path) -> None:
    said = {
        "clientId": "${ID}",
        "clientSecret": "${SECRET}",
        "callbackPort": 8765,
        "scopes": "read write",
        "issuer": "https://login.example.org",
    }
    entry = only(load(tmp_path, {"oauth": said}, {"ID": "toolhone", "SECRET": "s3cret"}))

    assert oauth_of(entry) == OAuth(
        client_id="toolhone",
        client_secret="s3cret",
        callback_port=8765,
        scopes="read write",
        issuer="https://login.example.org",
    )
    assert "s3cret" not in repr(entry)


@pytest.mark.parametrize("said", [{"scopes": ["read", "write"]}, {"scope": "read  write"}])
def test_scopes_are_read_as_hosts_write_them(tmp_path: Path, said: JsonObject) -> None:
    assert oauth_of(only(load(tmp_path, {"oauth": said}))) == OAuth(scopes="read write")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("yes", "oauth: must be an object"),
        ({"grantType": "password"}, "oauth.grantType"),
        ({"grantType": "client_credentials", "clientId": "a", "clientSecret": "b"}, "oauth.issuer"),
        ({"clientSecret": "b"}, "oauth.clientId"),
        ({"clientId": "a", "clientSecret": "b"}, "oauth.issuer: must be given with a clientSecret"),
        ({"clientId": ""}, "oauth.clientId"),
        ({"clientId": 7}, "oauth.clientId"),
        ({"clientId": "${NOT_SET}"}, "NOT_SET"),
        ({"issuer": "login.example.org"}, "oauth.issuer"),
        ({"callbackPort": 0}, "oauth.callbackPort"),
        ({"callbackPort": True}, "oauth.callbackPort"),
        ({"callbackPort": "8765"}, "oauth.callbackPort"),
        ({"scopes": 'read" , evil="'}, "oauth.scopes"),
        ({"scopes": "lésen"}, "oauth.scopes"),
        ({"scopes": []}, "oauth.scopes"),
    ],
)
def test_what_cannot_be_meant_costs_only_its_server_and_names_its_field(
    tmp_path: Path, said: Json, says: str
) -> None:
    entry = only(load(tmp_path, {"oauth": said}))

    assert entry.target is None and entry.problem is not None
    assert says in entry.problem.message


def test_two_things_for_one_header_are_refused(tmp_path: Path) -> None:
    entry = only(load(tmp_path, {"headers": {"Authorization": "x"}, "oauth": {"scopes": "read"}}))
    assert entry.problem is not None and "only one of the two" in entry.problem.message


def test_what_only_another_host_goes_by_is_pointed_out(tmp_path: Path) -> None:
    file = load(tmp_path, {"oauth": {"authServerMetadataUrl": "https://login.example.org/x"}})

    assert oauth_of(only(file)) == OAuth()
    assert file.notices == ("Server 'docs': oauth.authServerMetadataUrl is nothing that toolhone goes by.",)
