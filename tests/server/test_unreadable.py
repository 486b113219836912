"""The id of a request whose inside cannot be read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json
from toolhone.server.unreadable import request_id

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("id"), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(number=st.integers() | st.text(), params=VALUES, first=st.booleans(), spaced=st.booleans())
def test_it_is_found_whatever_stands_inside(number: Json, params: Json, first: bool, spaced: bool) -> None:
    message = {"jsonrpc": "2.0", "method": "ping", "params": params}
    message = {"id": number, **message} if first else {**message, "id": number}
    line = json.dumps(message, separators=None if spaced else (",", ":"))
    assert request_id(line) == number


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc":"2.0","method":"notifications/x","params":{"id":1}}',
        '{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}',
        '{"jsonrpc":"2.0","id":null,"method":"x"}',
        '{"jsonrpc":"2.0","id":{"id":1},"method":"x"}',
        '{"jsonrpc":"2.0","id":true,"method":"x"}',
        '{"jsonrpc":"2.0","id":1.5,"method":"x"}',
        '[{"id":1,"method":"x"}]',
        '"id":1,"method":"x"',
        "garbage{[",
        "",
    ],
)
def test_what_is_no_request_has_none(line: str) -> None:
    assert request_id(line) is None
