"""Groups go to one part each, in about 80/10/10, and none is empty from ten groups on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.datasets.splitting import Group, split
from toolhone.records.datasets import Split, SplitBy

sizes = st.lists(st.integers(1, 50), min_size=1, max_size=60)
ways = st.sampled_from(SplitBy)


def named(numbers: list[int], salt: int = 0) -> dict[str, Group]:
    return {f"{salt}-{at}": Group(f"{salt}-{at}", rows, at) for at, rows in enumerate(numbers)}


@settings(deadline=None)
@given(sizes, ways, st.integers(0, 1000))
def test_every_group_has_one_part_and_something_is_trained_on(
    numbers: list[int], by: SplitBy, salt: int
) -> None:
    groups = named(numbers, salt)
    parts = split(groups, by)

    assert parts.keys() == groups.keys()
    assert Split.TRAIN in parts.values()


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=10, max_size=60), ways, st.integers(0, 1000))
def test_from_ten_groups_on_no_part_is_empty(numbers: list[int], by: SplitBy, salt: int) -> None:
    assert set(split(named(numbers, salt), by).values()) == set(Split)


def test_with_few_groups_the_test_comes_first_and_then_validation() -> None:
    assert [sorted(split(named([1] * number), SplitBy.GROUP).values()) for number in (1, 2, 3)] == [
        ["train"],
        ["test", "train"],
        ["test", "train", "validation"],
    ]


def test_many_groups_are_split_in_about_the_shares_asked_for() -> None:
    parts = list(split(named([1] * 5_000), SplitBy.GROUP).values())

    assert 450 < parts.count(Split.TEST) < 550
    assert 450 < parts.count(Split.VALIDATION) < 550


def test_a_group_keeps_its_part_when_others_come_and_go() -> None:
    groups = named([1] * 1_000)
    before = split(groups, SplitBy.GROUP)
    after = split(
        {**{name: groups[name] for name in list(groups)[300:]}, **named([1] * 400, 1)}, SplitBy.GROUP
    )

    assert all(after[name] is part for name, part in before.items() if name in after)


def test_by_time_the_newest_are_the_test() -> None:
    parts = split(named([1] * 100), SplitBy.TIME)

    assert list(parts.values()) == [Split.TRAIN] * 80 + [Split.VALIDATION] * 10 + [Split.TEST] * 10


def test_a_group_that_is_most_of_the_rows_is_trained_on() -> None:
    for by in SplitBy:
        parts = split(named([1] * 20 + [500]), by)
        assert parts["0-20"] is Split.TRAIN
