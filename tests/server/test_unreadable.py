"""Lines of a stdio client that are no message, and the id of a request whose inside cannot be read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json
from toolhone.server.unreadable import fault, request_id

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
        # With an expression that goes back over what it has read this would take hours.
        '[NaN,"' + '\\"' * 500_000,
    ],
    ids=lambda line: line[:40],
)
def test_what_is_no_request_has_none(line: str) -> None:
    assert request_id(line) is None


def test_messages_are_passed_on() -> None:
    for line in (
        '{"jsonrpc":"2.0","id":1,"method":"ping"}',
        '{"jsonrpc":"2.0","id":"a","method":"x","params":{"text":"NaN, 1e999 and Infinity","n":1e308}}',
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        '{"jsonrpc":"2.0","id":1,"result":{}}',
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what you said"}}',
        "  \n",
    ):
        assert fault(line) is None, line


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("{}", None),
        ("[]", None),
        ("null", None),
        ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', None),
        ('{"jsonrpc":"2.0","id":1}', 1),
        ('{"jsonrpc":"2.0","id":true}', None),
        ('{"jsonrpc":"1.0","id":"a","method":"ping"}', "a"),
        ('{"jsonrpc":"2.0","id":"a","method":7}', "a"),
        ('{"jsonrpc":"2.0","id":"a","method":"x","params":[1]}', "a"),
        ('{"jsonrpc":"2.0","id":{"id":1},"method":7}', None),
    ],
)
def test_json_that_is_no_message_is_an_invalid_request(line: str, number: str | int | None) -> None:
    answer = fault(line)
    assert answer is not None
    assert (answer.error.code, answer.id) == (-32600, number)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("NaN", "NaN is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("1e999", "1e999 is not a finite number"),
        ('"\\ud800"', "not JSON"),
        ("{", "not JSON"),
        ("[" * 300 + "]" * 300, "too deep"),
    ],
)
def test_what_is_not_json_is_answered_under_the_id_it_has(value: str, says: str) -> None:
    answer = fault(f'{{"jsonrpc":"2.0","id":"a","method":"x","params":{{"a":{value}}}}}')
    assert answer is not None
    assert (answer.error.code, answer.id) == (-32700, "a")
    assert says in answer.error.message


def test_garbage_is_answered_without_an_id() -> None:
    answer = fault("garbage{")
    assert answer is not None
    assert (answer.error.code, answer.id) == (-32700, None)
    assert '"id":null' in answer.model_dump_json(by_alias=True, exclude_unset=True)


def test_an_answer_that_is_not_valid_is_not_answered() -> None:
    assert fault('{"jsonrpc":"2.0","id":1,"result":5}') is None
    assert fault('{"jsonrpc":"2.0","id":1,"error":"no"}') is None
