"""What stays of too many rows: balanced over task types, in their proportions, and never by chance."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.datasets.sampling import at_most, balanced, rank

types = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)


def rows_of(counts: dict[str, int]) -> tuple[dict[str, list[int]], dict[int, int]]:
    numbers = iter(range(10_000))
    by_type = {name: [next(numbers) for _ in range(count)] for name, count in counts.items()}
    return by_type, {row: rank(str(row)) for rows in by_type.values() for row in rows}


@settings(deadline=None)
@given(types, st.integers(1, 100))
def test_exactly_so_many_stay_and_no_type_is_lost_while_there_is_room(
    counts: dict[str, int], most: int
) -> None:
    by_type, ranks = rows_of(counts)
    kept = at_most(by_type, ranks, most)

    assert len(kept) == len(set(kept)) == min(most, sum(counts.values()))
    if most >= len(counts):
        assert all(set(rows) & set(kept) for rows in by_type.values())


def test_proportions_are_kept() -> None:
    by_type, ranks = rows_of({"a": 600, "b": 300, "c": 100})
    kept = set(at_most(by_type, ranks, 100))

    assert {name: len(kept & set(rows)) for name, rows in by_type.items()} == {"a": 60, "b": 30, "c": 10}


def test_a_type_with_far_more_rows_gives_some_up() -> None:
    by_type, ranks = rows_of({"a": 1_000, "b": 50, "c": 40})
    kept = set(balanced(by_type, ranks, least=100))

    assert {name: len(kept & set(rows)) for name, rows in by_type.items()} == {"a": 200, "b": 50, "c": 40}


@settings(deadline=None)
@given(types, st.integers(1, 100))
def test_balance_never_leaves_fewer_than_asked_for(counts: dict[str, int], least: int) -> None:
    by_type, ranks = rows_of(counts)

    assert len(balanced(by_type, ranks, least=least)) >= min(least, sum(counts.values()))


def test_what_stays_does_not_depend_on_the_order() -> None:
    by_type, ranks = rows_of({"a": 100, "b": 100})
    turned = {name: rows[::-1] for name, rows in reversed(by_type.items())}

    assert at_most(by_type, ranks, 50) == at_most(turned, ranks, 50)
    assert balanced({}, {}, least=1) == []
