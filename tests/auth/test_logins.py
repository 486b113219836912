"""Logins of browsers."""

from toolhone.auth.logins import CODE_SECONDS, MOST_ENDED, MOST_SESSIONS, SESSION_SECONDS, Logins, proves
from toolhone.models import Caller
from toolhone.roles import Role

WHO = Caller(principal="local", role=Role.OPERATOR)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_code_logs_in_once() -> None:
    logins = Logins()
    code = logins.code(WHO)
    assert logins.redeem("something else") is None
    assert logins.redeem(code) == WHO
    assert logins.redeem(code) is None


def test_a_code_is_good_for_a_quarter_of_an_hour() -> None:
    clock = Clock()
    logins = Logins(clock=clock)
    early, late = logins.code(WHO), logins.code(WHO)
    clock.now += CODE_SECONDS - 1
    assert logins.redeem(early) == WHO
    clock.now += 1
    assert logins.redeem(late) is None


def test_a_session_lasts_until_it_ends() -> None:
    clock = Clock()
    logins = Logins(clock=clock)
    first, session = logins.begin(WHO, token_id="t")
    second, _ = logins.begin(WHO)
    assert logins.find(first) == session
    assert session.token_id == "t"
    logins.end(first)
    logins.end(first)
    assert logins.find(first) is None
    clock.now += SESSION_SECONDS - 1
    assert logins.find(second) is not None
    clock.now += 1
    assert logins.find(second) is None


def test_nothing_kept_in_memory_opens_a_session() -> None:
    logins = Logins()
    cookie, session = logins.begin(WHO)
    code = logins.code(WHO)
    assert cookie not in repr(vars(logins)) and code not in repr(vars(logins))
    assert session.csrf not in repr(session)


def test_only_a_page_of_the_session_proves_itself() -> None:
    logins = Logins()
    _, mine = logins.begin(WHO)
    _, yours = logins.begin(WHO)
    assert proves(mine, mine.csrf)
    assert not proves(mine, yours.csrf)
    assert not proves(mine, "")
    assert not proves(mine, "\ud800 ü")


def test_the_oldest_session_gives_way_when_there_are_too_many() -> None:
    logins = Logins()
    cookies = [logins.begin(WHO)[0] for _ in range(MOST_SESSIONS + 1)]
    assert logins.find(cookies[0]) is None
    assert logins.find(cookies[1]) is not None


def test_all_logins_end_but_those_that_are_to_go_on() -> None:
    clock = Clock()
    logins = Logins(clock=clock)
    old, _ = logins.begin(WHO)
    clock.now += SESSION_SECONDS
    own, session = logins.begin(WHO)
    by_code, _ = logins.begin(WHO)
    by_token, _ = logins.begin(WHO, token_id="t")
    unused = logins.code(WHO)

    assert logins.end_all(but=[own, "no cookie of ours"]) == 2
    assert [logins.find(one) for one in (old, own, by_code, by_token)] == [None, session, None, None]
    assert logins.redeem(unused) is None
    assert logins.end_all() == 1
    assert logins.find(own) is None


def test_what_has_ended_is_told_from_what_never_was() -> None:
    clock = Clock()
    logins = Logins(clock=clock)
    expired, _ = logins.begin(WHO)
    logged_out, _ = logins.begin(WHO)
    logins.end(logged_out)
    clock.now += SESSION_SECONDS - 1
    going_on, _ = logins.begin(WHO)
    thrown_out, _ = logins.begin(WHO)
    assert not logins.has_ended(expired)
    clock.now += 1
    assert logins.find(expired) is None
    logins.end_all(but=[going_on])
    logins.end("a guess")

    assert [logins.has_ended(one) for one in (expired, logged_out, thrown_out)] == [True] * 3
    assert [logins.has_ended(one) for one in (going_on, "a guess", "")] == [False] * 3
    assert expired not in repr(vars(logins))


def test_only_so_many_that_have_ended_are_remembered() -> None:
    logins = Logins()
    cookies = [logins.begin(WHO)[0] for _ in range(MOST_SESSIONS + MOST_ENDED + 1)]
    assert [logins.has_ended(one) for one in cookies[:2]] == [False, True]
    assert logins.find(cookies[-1]) is not None
