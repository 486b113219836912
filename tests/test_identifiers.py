"""Ids sort by the time they were made; timestamps sort as text."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

from toolhone.identifiers import new_id, utc_timestamp


def test_ids_are_version_7_uuids_in_order() -> None:
    ids = [new_id() for _ in range(5_000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in ids} == {(7, uuid.RFC_4122)}


def test_an_id_holds_the_moment_it_was_made() -> None:
    before = datetime.now(UTC).timestamp()
    milliseconds = uuid.UUID(new_id()).int >> 80

    assert abs(milliseconds / 1000 - before) < 60


def test_threads_never_share_an_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(new_id) for _ in range(4_000)]
        ids = [future.result() for future in made]

    assert len(set(ids)) == len(ids)


def test_timestamps_have_one_spelling_and_sort_as_text() -> None:
    moments = [utc_timestamp() for _ in range(100)]

    assert all(len(text) == len("2026-01-31T12:00:00.000000+00:00") for text in moments)
    assert all(text.endswith("+00:00") for text in moments)
    assert all(earlier <= later for earlier, later in pairwise(moments))
