"""What every LearningStore does."""

import hashlib

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.stores import LearnedVersion, LearningStore

AT = "2026-01-31T12:00:00.000000+00:00"


def version(artifact: bytes, *, parent: str | None = None) -> LearnedVersion:
    digest = hashlib.sha256(artifact).hexdigest()
    return LearnedVersion(
        version=digest[:8],
        created_at=AT,
        encoder="small",
        artifact_hash=f"sha256:{digest}",
        data_hash="sha256:" + "0" * 64,
        until=AT,
        parent=parent,
        figures={"requests": 7, "verdict": {"why": "because"}},
    )


def add(store: LearningStore, artifact: bytes) -> str:
    made = version(artifact)
    store.add(made, artifact)
    return made.version


def promote(store: LearningStore, name: str | None) -> None:
    store.promote(name, at=AT, why="better")


def test_nothing_is_served_at_first(learning_store: LearningStore) -> None:
    assert learning_store.versions() == []
    assert learning_store.promotions() == []
    assert learning_store.active() is None
    assert learning_store.task_vectors("small", ["one"]) == {}
    with pytest.raises(InvalidRequestError, match="no learned version 'none'"):
        learning_store.artifact("none")
    with pytest.raises(InvalidRequestError, match="no learned version 'none'"):
        promote(learning_store, "none")
    with pytest.raises(InvalidRequestError, match="nothing to roll back"):
        learning_store.rollback(at=AT)


def test_a_version_comes_back_as_it_was_kept(learning_store: LearningStore) -> None:
    first, second = version(b"first"), version(b"second", parent="first")
    learning_store.add(first, b"first")
    learning_store.add(second, b"second")
    learning_store.add(first, b"first")

    assert learning_store.versions() == [second, first]
    assert learning_store.artifact(first.version) == b"first"


def test_content_under_another_hash_is_refused(learning_store: LearningStore) -> None:
    with pytest.raises(InvalidRequestError, match="another hash"):
        learning_store.add(version(b"first"), b"second")

    assert learning_store.versions() == []


def test_rollback_goes_back_step_by_step(learning_store: LearningStore) -> None:
    names = [add(learning_store, content) for content in (b"1", b"2", b"3")]
    for name in names:
        promote(learning_store, name)

    assert [learning_store.rollback(at=AT) for _ in names] == [names[1], names[0], None]
    with pytest.raises(InvalidRequestError, match="nothing to roll back"):
        learning_store.rollback(at=AT)
    assert [promotion.version for promotion in learning_store.promotions()] == [
        None,
        *names[:2],
        *reversed(names),
    ]


def test_what_is_promoted_after_a_rollback_goes_back_to_what_was_rolled_back_to(
    learning_store: LearningStore,
) -> None:
    first, second, third = (add(learning_store, content) for content in (b"1", b"2", b"3"))
    promote(learning_store, first)
    promote(learning_store, second)
    learning_store.rollback(at=AT)
    promote(learning_store, third)

    assert learning_store.rollback(at=AT) == first
    assert learning_store.rollback(at=AT) is None


def test_promoting_what_is_served_changes_nothing(learning_store: LearningStore) -> None:
    name = add(learning_store, b"1")
    promote(learning_store, None)
    promote(learning_store, name)
    promote(learning_store, name)

    assert [promotion.version for promotion in learning_store.promotions()] == [name]
    assert learning_store.rollback(at=AT) is None


def test_an_expired_version_is_not_served_and_not_gone_back_to(learning_store: LearningStore) -> None:
    names = [add(learning_store, content) for content in (b"1", b"2", b"3")]
    for name in names:
        promote(learning_store, name)
    learning_store.expire(names[1], "All of its tools are gone.", at=AT)
    learning_store.expire(names[1], "Again.", at=AT)

    assert learning_store.active() == names[2]
    assert learning_store.versions()[1].expired == "All of its tools are gone."
    with pytest.raises(InvalidRequestError, match="has expired: All of its tools are gone"):
        promote(learning_store, names[1])
    assert learning_store.rollback(at=AT) == names[0]


def test_an_expired_version_that_is_learned_again_is_good_again(learning_store: LearningStore) -> None:
    name = add(learning_store, b"1")
    learning_store.expire(name, "Gone.", at=AT)
    add(learning_store, b"1")

    promote(learning_store, name)

    assert learning_store.active() == name


def test_when_the_served_version_expires_the_one_before_is_served(learning_store: LearningStore) -> None:
    names = [add(learning_store, content) for content in (b"1", b"2")]
    for name in names:
        promote(learning_store, name)
    learning_store.expire(names[1], "Gone.", at=AT)
    assert learning_store.active() == names[0]
    learning_store.expire(names[0], "Gone.", at=AT)
    assert learning_store.active() is None


def test_only_versions_that_were_never_served_go(learning_store: LearningStore) -> None:
    served = add(learning_store, b"served")
    promote(learning_store, served)
    never = add(learning_store, b"never served")
    newest = [add(learning_store, bytes([number])) for number in range(20)]

    kept = [kept.version for kept in learning_store.versions()]

    assert never not in kept
    assert kept == [*reversed(newest), served]


def test_vectors_of_tasks_that_are_not_remembered_any_more_go(learning_store: LearningStore) -> None:
    learning_store.keep_task_vectors("small", {}, only=[])
    learning_store.keep_task_vectors("small", {"one": b"1", "two": b"2"}, only=["one", "two"])
    learning_store.keep_task_vectors("large", {"two": b"22"}, only=["two", "three"])

    assert learning_store.task_vectors("small", ["one", "two", "three"]) == {"two": b"2"}
    assert learning_store.task_vectors("large", ["two"]) == {"two": b"22"}
