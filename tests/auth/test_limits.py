"""How often somebody may ask."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.auth.limits import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_after_the_other() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    assert [rates.take("a", 3) for _ in range(3)] == [None] * 3
    assert rates.take("a", 3) == 20.0
    clock.now += 19.0
    assert rates.take("a", 3) is not None
    clock.now += 1.001
    assert rates.take("a", 3) is None
    assert rates.take("a", 3) is not None


def test_each_has_its_own() -> None:
    rates = Rates(clock=Clock())
    assert rates.take("a", 1) is None
    assert rates.take("a", 1) is not None
    assert rates.take("b", 1) is None


def test_asking_whether_takes_nothing() -> None:
    rates = Rates(clock=Clock())
    assert rates.wait("a", 1) is None
    assert rates.wait("a", 1) is None
    rates.take("a", 1)
    assert rates.wait("a", 1) == 60.0


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    rates = Rates(most_keys=2, clock=Clock())
    for key in "abc":
        assert rates.take(key, 1) is None
    assert rates.take("c", 1) is not None
    assert rates.take("b", 1) is not None
    assert rates.take("a", 1) is None  # forgotten, so it starts anew


@settings(deadline=None)
@given(
    pauses=st.lists(st.floats(min_value=0, max_value=30), max_size=200),
    per_minute=st.integers(min_value=1, max_value=30),
)
def test_never_more_pass_than_the_rate_allows(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += rates.take("a", per_minute) is None
    assert passed <= per_minute + sum(pauses) * per_minute / 60 + 1e-6
