"""What every VectorStore does."""

from toolhone.stores import VectorStore


def test_only_known_vectors_of_the_model_come_back(vector_store: VectorStore) -> None:
    assert vector_store.get("small", ["one"]) == {}

    vector_store.put("small", {"one": b"\x01" * 16, "two": b"\x02" * 16}, {})
    vector_store.put("large", {"one": b"\x03" * 32}, {})

    assert vector_store.get("small", ["one", "three"]) == {"one": b"\x01" * 16}
    assert vector_store.get("large", ["one", "two"]) == {"one": b"\x03" * 32}
    assert vector_store.get("other", ["one"]) == {}
    assert vector_store.get("small", []) == {}


def test_a_vector_can_be_replaced(vector_store: VectorStore) -> None:
    vector_store.put("small", {"one": b"old."}, {})
    vector_store.put("small", {"one": b"new."}, {})
    vector_store.put("small", {}, {})

    assert vector_store.get("small", ["one"]) == {"one": b"new."}


def test_ten_thousand_vectors_come_back_at_once(vector_store: VectorStore) -> None:
    vectors = {f"sha256:{number:064d}": number.to_bytes(4, "little") * 96 for number in range(10_000)}
    vector_store.put("small", vectors, {})

    assert vector_store.get("small", list(vectors)) == vectors


def test_token_vectors_come_back_apart_and_only_those_of_the_model(vector_store: VectorStore) -> None:
    assert vector_store.tokens("small", ["one"]) == {}

    vector_store.put("small", {"one": b"1" * 16, "two": b"2" * 16}, {"one": b"tokens"})

    assert vector_store.tokens("small", ["one", "two", "three"]) == {"one": b"tokens"}
    assert vector_store.tokens("large", ["one"]) == {}


def test_texts_in_use_are_told_whether_they_have_token_vectors(vector_store: VectorStore) -> None:
    assert vector_store.keep("small", ["one"]) == set()

    vector_store.put("small", {"one": b"1" * 16, "two": b"2" * 16}, {"one": b"tokens"})

    assert vector_store.keep("small", ["one", "two", "three"]) == {"one"}
    assert vector_store.keep("large", ["one"]) == set()


def test_empty_token_vectors_take_away_what_was_there(vector_store: VectorStore) -> None:
    vector_store.put("small", {"one": b"1" * 16}, {"one": b"tokens"})

    vector_store.put("small", {}, {"one": b""})

    assert vector_store.tokens("small", ["one"]) == {}
    assert vector_store.get("small", ["one"]) == {"one": b"1" * 16}
