"""What every ApprovalStore does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import JsonObject, content_hash
from toolhone.records.approvals import (
    FIRST_USE,
    Approval,
    ApprovalStatus,
    ApprovalStore,
    HeldBack,
    Offered,
    Place,
)
from toolhone.storage.approvals import SqliteApprovalStore

AT = "2026-01-31T12:00:00.000000+00:00"
LATER = "2026-02-01T12:00:00.000000+00:00"
MUCH_LATER = "2026-02-02T12:00:00.000000+00:00"

APPROVED, WAITING, REJECTED = ApprovalStatus.APPROVED, ApprovalStatus.WAITING, ApprovalStatus.REJECTED


def offer(tool: str = "read", description: str = "Read a file.", *, name: str | None = None) -> Offered:
    definition: JsonObject = {"name": tool, "description": description}
    return Offered(
        tool=tool, name=name or f"files__{tool}", hash=content_hash(definition), definition=definition
    )


READ = offer()
CHANGED = offer(description="Read a file and send it away.")
OTHER = offer(description="Read a file, if it is small.")


def noted(
    store: ApprovalStore,
    *offered: Offered,
    server: str = "files",
    first_use: bool = True,
    at: str = AT,
    most_tools: int = 100,
) -> Sequence[Approval]:
    return store.note(server, offered, first_use=first_use, at=at, most_tools=most_tools)


def standing(store: ApprovalStore, server: str = "files") -> dict[tuple[str, str], ApprovalStatus]:
    """Where each definition of a server stands."""
    return {(one.tool, one.hash): one.status for one in store.of_server(server)}


def test_there_is_nothing_at_first(approval_store: ApprovalStore) -> None:
    assert list(approval_store.of_server("files")) == []
    assert list(approval_store.held_back(WAITING)) == []
    assert approval_store.count(WAITING) == 0
    assert approval_store.definitions([READ.hash]) == {}


def test_the_first_definition_of_a_tool_is_approved_on_first_use(approval_store: ApprovalStore) -> None:
    assert list(noted(approval_store, READ)) == []

    expected = Approval(
        server="files",
        tool="read",
        name="files__read",
        hash=READ.hash,
        status=APPROVED,
        seen_at=AT,
        decided_at=AT,
        decided_by=FIRST_USE,
    )
    assert list(approval_store.of_server("files")) == [expected]
    assert approval_store.definitions([READ.hash, "sha256:unknown"]) == {READ.hash: READ.definition}


def test_without_first_use_it_waits_and_is_told_once(approval_store: ApprovalStore) -> None:
    (waiting,) = noted(approval_store, READ, first_use=False)
    assert (waiting.status, waiting.decided_at, waiting.decided_by) == (WAITING, None, None)
    assert list(approval_store.of_server("files")) == [waiting]

    assert list(noted(approval_store, READ, first_use=False, at=LATER)) == []
    assert list(approval_store.of_server("files")) == [waiting]


def test_another_definition_of_a_known_tool_waits_though_first_use_is_trusted(
    approval_store: ApprovalStore,
) -> None:
    noted(approval_store, READ)
    (waiting,) = noted(approval_store, CHANGED, at=LATER)

    assert (waiting.hash, waiting.status, waiting.seen_at) == (CHANGED.hash, WAITING, LATER)
    assert standing(approval_store) == {("read", READ.hash): APPROVED, ("read", CHANGED.hash): WAITING}
    assert set(approval_store.definitions([READ.hash, CHANGED.hash])) == {READ.hash, CHANGED.hash}


def test_what_waits_gives_way_to_what_is_offered_now(approval_store: ApprovalStore) -> None:
    noted(approval_store, READ)
    noted(approval_store, CHANGED)
    (waiting,) = noted(approval_store, OTHER, at=LATER)

    assert waiting.hash == OTHER.hash
    assert standing(approval_store) == {("read", READ.hash): APPROVED, ("read", OTHER.hash): WAITING}
    assert approval_store.definitions([CHANGED.hash]) == {}


def test_a_server_that_goes_back_to_what_is_approved_has_nothing_waiting(
    approval_store: ApprovalStore,
) -> None:
    noted(approval_store, READ)
    noted(approval_store, CHANGED)
    assert list(noted(approval_store, READ)) == []
    assert standing(approval_store) == {("read", READ.hash): APPROVED}


def test_what_was_rejected_stays_so_when_it_is_offered_again(approval_store: ApprovalStore) -> None:
    noted(approval_store, READ)
    (waiting,) = noted(approval_store, CHANGED)
    assert approval_store.decide(waiting, REJECTED, at=LATER, by="token:admin")

    assert list(noted(approval_store, CHANGED, at=MUCH_LATER)) == []
    rejected = replace(waiting, status=REJECTED, decided_at=LATER, decided_by="token:admin")
    assert [one.approval for one in approval_store.held_back(REJECTED)] == [rejected]


def test_a_decision_counts_only_if_it_stands_as_it_was_seen(approval_store: ApprovalStore) -> None:
    (waiting,) = noted(approval_store, READ, first_use=False)
    assert approval_store.decide(waiting, APPROVED, at=LATER, by="token:one")
    assert not approval_store.decide(waiting, REJECTED, at=MUCH_LATER, by="token:two")
    (found,) = approval_store.of_server("files")
    assert (found.status, found.decided_at, found.decided_by) == (APPROVED, LATER, "token:one")

    (gone,) = noted(approval_store, CHANGED)
    noted(approval_store, OTHER)
    assert not approval_store.decide(gone, APPROVED, at=LATER, by="token:one")
    assert (gone.tool, gone.hash) not in standing(approval_store)


def test_a_server_can_only_have_so_many_tools_noted(approval_store: ApprovalStore) -> None:
    first, second, third = (offer(tool) for tool in ("one", "two", "three"))
    noted(approval_store, first, second, third, most_tools=2)
    assert set(standing(approval_store)) == {("one", first.hash), ("two", second.hash)}

    changed = offer("one", "Something else.")
    (waiting,) = noted(approval_store, changed, third, most_tools=2)
    assert waiting.hash == changed.hash
    noted(approval_store, third, server="others", most_tools=2)
    assert set(standing(approval_store, "others")) == {("three", third.hash)}


def test_servers_are_told_apart_also_with_the_same_definition(approval_store: ApprovalStore) -> None:
    noted(approval_store, READ)
    (waiting,) = noted(approval_store, offer(name="copies__read"), server="copies", first_use=False)
    assert standing(approval_store) == {("read", READ.hash): APPROVED}
    assert standing(approval_store, "copies") == {("read", READ.hash): WAITING}

    # The definition stays as long as one of them has it.
    noted(approval_store, CHANGED, server="copies", first_use=False)
    assert waiting.hash not in {digest for _, digest in standing(approval_store, "copies")}
    assert approval_store.definitions([READ.hash]) == {READ.hash: READ.definition}


def test_a_tool_with_a_new_name_is_found_by_that(approval_store: ApprovalStore) -> None:
    noted(approval_store, READ)
    noted(approval_store, replace(READ, name="documents__read"), at=LATER)

    assert list(approval_store.find("files__read")) == []
    (found,) = approval_store.find("documents__read")
    assert (found.hash, found.status, found.seen_at) == (READ.hash, APPROVED, AT)


def test_they_are_found_by_name_and_status_the_last_seen_first(approval_store: ApprovalStore) -> None:
    write = offer("write", "Write a file.")
    noted(approval_store, READ)
    noted(approval_store, write, at=LATER)
    noted(approval_store, CHANGED, at=MUCH_LATER)

    def found(name: str, status: ApprovalStatus | None = None) -> list[str]:
        return [one.hash for one in approval_store.find(name, status=status)]

    assert found("files__read") == [CHANGED.hash, READ.hash]
    assert found("files__read", WAITING) == [CHANGED.hash]
    assert found("files__write", WAITING) == []


def test_what_is_held_back_comes_with_what_was_approved_last(approval_store: ApprovalStore) -> None:
    noted(approval_store, READ)
    (second,) = noted(approval_store, CHANGED, at=LATER)
    approval_store.decide(second, APPROVED, at=LATER, by="token:admin")
    noted(approval_store, OTHER, at=MUCH_LATER)
    noted(approval_store, offer("new", name="others__new"), server="others", first_use=False)

    held = approval_store.held_back(WAITING)

    assert [one.approval.hash for one in held] == [OTHER.hash, offer("new").hash]
    assert [one.before and one.before.hash for one in held] == [CHANGED.hash, None]
    assert approval_store.count(WAITING) == 2
    assert approval_store.count(APPROVED) == 2
    assert approval_store.count(REJECTED) == 0


@given(
    tools=st.lists(
        st.tuples(st.sampled_from(["files", "host", "ä"]), st.integers(0, 9), st.sampled_from([AT, LATER])),
        max_size=20,
    ),
    limit=st.integers(1, 5),
)
@settings(deadline=None, max_examples=30)
def test_pages_of_what_is_held_back_have_each_once_in_the_order_of_the_whole(
    tools: list[tuple[str, int, str]], limit: int
) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteApprovalStore(Path(folder))
        for server, number, at in tools:
            noted(store, offer(f"tool_{number}"), server=server, first_use=False, at=at)
        pages: list[HeldBack] = []
        after: Place | None = None
        while page := store.held_back(WAITING, limit=limit, after=after):
            assert len(page) <= limit
            pages += page
            last = page[-1].approval
            after = (last.seen_at, last.server, last.tool, last.hash)
        assert pages == list(store.held_back(WAITING))
        assert len(pages) == len({(server, number) for server, number, _ in tools})
        store.close()


def test_many_definitions_come_at_once_with_whatever_text_they_have(approval_store: ApprovalStore) -> None:
    offered = [offer(f"tool{number}", "half \ud800 a pair") for number in range(1_100)]
    noted(approval_store, *offered, most_tools=2_000)
    assert approval_store.definitions([one.hash for one in offered]) == {
        one.hash: one.definition for one in offered
    }


@settings(deadline=None, max_examples=30)
@given(
    turns=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), min_size=1),
            st.booleans(),
            st.sampled_from([None, APPROVED, REJECTED]),
        ),
        max_size=8,
    )
)
def test_of_a_tool_at_most_one_definition_waits_and_it_is_the_one_offered(
    turns: list[tuple[dict[str, int], bool, ApprovalStatus | None]],
) -> None:
    with TemporaryDirectory() as folder:
        store = SqliteApprovalStore(Path(folder))
        decided: dict[tuple[str, str], ApprovalStatus] = {}
        for tools, first_use, decision in turns:
            offered = [offer(tool, f"The {number}th.") for tool, number in tools.items()]
            for one in noted(store, *offered, first_use=first_use):
                assert one.hash in {each.hash for each in offered}
                if decision is not None and store.decide(one, decision, at=LATER, by="somebody"):
                    decided[one.tool, one.hash] = decision
            now = standing(store)
            for each in offered:
                waiting = [
                    digest for (tool, digest), at in now.items() if tool == each.tool and at is WAITING
                ]
                assert waiting in ([], [each.hash])
                assert (each.tool, each.hash) in now
            assert {key: now.get(key) for key in decided} == decided
        store.close()


def test_every_change_of_another_process_shows_in_the_version(tmp_path: Path) -> None:
    ours, theirs = SqliteApprovalStore(tmp_path), SqliteApprovalStore(tmp_path)
    assert ours.version() == 0
    noted(theirs, READ)
    seen = [ours.version()]
    (waiting,) = noted(theirs, CHANGED)
    seen.append(ours.version())
    theirs.decide(waiting, APPROVED, at=LATER, by="somebody")
    seen.append(ours.version())

    assert 0 not in seen and len(set(seen)) == 3
    assert ours.version() == seen[-1]
    assert standing(ours) == {("read", READ.hash): APPROVED, ("read", CHANGED.hash): APPROVED}
    ours.close()
    theirs.close()


@pytest.mark.parametrize("first_use", [True, False])
def test_what_is_kept_outlives_the_process_that_kept_it(tmp_path: Path, first_use: bool) -> None:
    before = SqliteApprovalStore(tmp_path)
    noted(before, READ, first_use=first_use)
    kept = list(before.of_server("files"))
    before.close()

    after = SqliteApprovalStore(tmp_path)
    assert list(after.of_server("files")) == kept
    assert after.definitions([READ.hash]) == {READ.hash: READ.definition}
    after.close()


def test_asking_creates_nothing_and_what_is_kept_is_private(tmp_path: Path) -> None:
    store = SqliteApprovalStore(tmp_path / "data")
    store.of_server("files")
    store.held_back(WAITING)
    store.definitions([READ.hash])
    assert store.version() == 0
    assert not (tmp_path / "data").exists()

    noted(store, READ)
    assert (tmp_path / "data" / "approvals.db").stat().st_mode & 0o777 == 0o600
    store.close()
