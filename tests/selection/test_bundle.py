"""Encoders from folders: their vectors, and that nothing but the pinned files is loaded."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import ModelUnavailableError
from toolhone.models import JsonObject
from toolhone.selection.bundle import (
    DEFAULT_FOLDER,
    DEFAULT_SHA256,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    BundleEncoder,
    load_bundle,
    load_default,
)

Change = Callable[[JsonObject], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the encoder that comes with toolhone; its weights are shared until a test replaces them."""
    for file in (MANIFEST, TOKENIZER):
        shutil.copy(DEFAULT_FOLDER / file, tmp_path / file)
    (tmp_path / WEIGHTS).symlink_to(DEFAULT_FOLDER / WEIGHTS)
    return tmp_path


def change_manifest(folder: Path, change: Change) -> None:
    manifest: JsonObject = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


# Vectors


def test_vectors_are_unit_length_and_alike_for_like_texts(shipped: BundleEncoder) -> None:
    question = shipped.encode_task("Will it rain tomorrow?").parts[0]
    near, far = (text.vector for text in shipped.encode_texts(["weather forecast", "merge a git branch"]))

    assert np.linalg.norm([question, near, far], axis=1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert question @ near > question @ far + 0.2


def test_a_vector_does_not_depend_on_its_neighbours(shipped: BundleEncoder) -> None:
    texts = ["short", "a text of some more words than the others " * 4, "x", "weather", "last one"]

    for together, text in zip(shipped.encode_texts(texts), texts, strict=True):
        (alone,) = shipped.encode_texts([text])
        assert (together.vector == alone.vector).all()
        assert (together.tokens == alone.tokens).all()


@pytest.mark.parametrize("text", ["", "\x00\x1b", "\ud800", "😀", "word " * 10_000, "." * 2_000])
def test_the_strangest_text_has_a_vector(text: str, shipped: BundleEncoder) -> None:
    assert np.isfinite(shipped.encode_task(text).parts).all()
    assert np.isfinite(shipped.encode_texts([text])[0].vector).all()


@settings(deadline=None, max_examples=40)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=300))
def test_any_task_has_unit_vectors_and_shares_of_its_tokens(shipped: BundleEncoder, task: str) -> None:
    encoded = shipped.encode_task(task)

    parts, tokens = len(encoded.parts), len(encoded.tokens)
    assert encoded.parts.shape == (parts, shipped.dimensions)
    assert encoded.tokens.shape == (tokens, shipped.token_dimensions)
    assert encoded.weights.shape == (parts, tokens)
    assert np.linalg.norm(encoded.parts, axis=1) == pytest.approx(np.ones(parts), abs=1e-5)
    assert np.linalg.norm(encoded.tokens, axis=1) == pytest.approx(np.ones(tokens), abs=1e-3)
    assert (encoded.weights >= 0).all()
    assert encoded.weights.sum(axis=1) == pytest.approx(np.ones(parts), abs=1e-5)


def test_no_texts_have_no_vectors(shipped: BundleEncoder) -> None:
    assert shipped.encode_texts([]) == []


def test_each_sentence_of_a_task_is_a_part_of_its_own_tokens(shipped: BundleEncoder) -> None:
    first, second = "Look up the weather in Oslo.", "Then send an e-mail to my boss."
    encoded = shipped.encode_task(f"{first} {second}")
    weather, mail = (text.vector for text in shipped.encode_texts(["weather forecast", "send e-mail"]))

    assert len(encoded.parts) == 3
    _, of_first, of_second = encoded.parts
    assert of_first @ weather > of_second @ weather + 0.2
    assert of_second @ mail > of_first @ mail + 0.2
    # No token speaks for two sentences, and those that frame the task for none.
    assert not ((encoded.weights[1] > 0) & (encoded.weights[2] > 0)).any()
    assert (encoded.weights[0] > 0).all()
    assert (encoded.weights[1:, [0, -1]] == 0).all()


def test_one_sentence_is_only_the_whole(shipped: BundleEncoder) -> None:
    assert len(shipped.encode_task("Look up the weather in Oslo.").parts) == 1


def test_it_says_when_only_the_beginning_is_read(shipped: BundleEncoder) -> None:
    assert shipped.encode_task("a short task").complete
    assert not shipped.encode_task("word " * 300).complete


def test_of_a_tool_only_so_many_tokens_are_kept(shipped: BundleEncoder) -> None:
    manifest: JsonObject = json.loads((DEFAULT_FOLDER / MANIFEST).read_text(encoding="utf-8"))

    (text,) = shipped.encode_texts(["word " * 300])

    assert text.tokens.dtype == np.int8
    assert text.tokens.shape == (manifest["late_tokens"], shipped.token_dimensions)


def test_an_encoder_need_not_compare_token_by_token(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest.update(token_dimensions=0))
    encoder = load_bundle(folder)

    task = encoder.encode_task("Look up the weather in Oslo. Then send an e-mail to my boss.")
    (text,) = encoder.encode_texts(["weather"])

    assert task.tokens.shape == text.tokens.shape == (0, 0)
    assert task.weights.shape == (3, 0)
    assert np.linalg.norm(task.parts, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


# Names and files


def test_the_name_identifies_all_that_its_vectors_depend_on(shipped: BundleEncoder, folder: Path) -> None:
    weights = hashlib.sha256((DEFAULT_FOLDER / WEIGHTS).read_bytes()).hexdigest()
    assert weights[:12] in shipped.name

    change_manifest(folder, lambda manifest: manifest.update(text_tokens=64))
    assert load_bundle(folder).name != shipped.name


def test_the_encoder_that_comes_along_is_the_pinned_one_and_calibrated(shipped: BundleEncoder) -> None:
    manifest = (DEFAULT_FOLDER / MANIFEST).read_bytes()

    assert hashlib.sha256(manifest).hexdigest() == DEFAULT_SHA256
    assert shipped.calibration is not None


def test_the_encoder_that_comes_along_does_not_tell_where_it_was_made() -> None:
    weights = (DEFAULT_FOLDER / WEIGHTS).read_bytes()

    assert b"stack_trace" not in weights
    assert b"site-packages" not in weights


def test_a_manifest_that_is_not_the_pinned_one_is_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest.update(created="later"))

    load_bundle(folder)
    with pytest.raises(ModelUnavailableError, match="not the pinned file") as refused:
        load_bundle(folder, sha256=DEFAULT_SHA256)
    assert refused.value.data["expected"] == DEFAULT_SHA256


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(file: str, folder: Path) -> None:
    (folder / file).unlink()
    (folder / file).write_bytes(b"not the model")

    with pytest.raises(ModelUnavailableError, match=rf"{file}.*not the pinned file"):
        load_bundle(folder)


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_a_file_that_the_manifest_does_not_list_is_refused(file: str, folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["files"].pop(file))

    with pytest.raises(ModelUnavailableError, match="not listed"):
        load_bundle(folder)


@pytest.mark.parametrize("file", [MANIFEST, WEIGHTS, TOKENIZER])
def test_a_missing_file_is_named(file: str, folder: Path) -> None:
    (folder / file).unlink()

    with pytest.raises(ModelUnavailableError, match=file):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"{}", b"[" * 100_000])
def test_a_manifest_that_describes_no_encoder_is_refused(content: bytes, folder: Path) -> None:
    (folder / MANIFEST).write_bytes(content)

    with pytest.raises(ModelUnavailableError, match="does not describe an encoder"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "changed",
    [{"format": 2}, {"dimensions": 0}, {"name": ""}, {"files": ["encoder.onnx"]}, {"text_tokens": "many"}],
)
def test_a_manifest_of_another_format_is_refused(changed: JsonObject, folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest.update(changed))

    with pytest.raises(ModelUnavailableError, match="does not describe an encoder"):
        load_bundle(folder)


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
def test_files_that_no_library_can_read_are_refused_whatever_their_hash(file: str, folder: Path) -> None:
    (folder / file).unlink()
    (folder / file).write_bytes(b"{}")
    change_manifest(
        folder, lambda manifest: manifest["files"].update({file: hashlib.sha256(b"{}").hexdigest()})
    )

    with pytest.raises(ModelUnavailableError, match="cannot be loaded"):
        load_bundle(folder)


@pytest.mark.parametrize("library", ["onnxruntime", "tokenizers"])
def test_a_missing_library_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ModelUnavailableError, match=f"cannot be imported.*{library}"):
        load_default()
