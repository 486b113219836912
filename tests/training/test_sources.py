"""Which models can be read, and what is said of those that cannot."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json
from toolhone.training.sources import read_parts, save_parts

if TYPE_CHECKING:
    from training.conftest import World

torch: Any = importlib.import_module("torch")


def write(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no config\.json"):
        read_parts(tmp_path)


@pytest.mark.parametrize(
    ("config", "how"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls_token"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "mean_tokens+max_tokens"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
    ],
)
def test_a_model_that_does_not_pool_by_the_mean_is_refused(
    config: Json, how: str, world: "World", tmp_path: Path
) -> None:
    model = world.build_model(tmp_path / "model", num_hidden_layers=1, hidden_size=8)
    write(model / "1_Pooling" / "config.json", config)

    with pytest.raises(InvalidRequestError) as refusal:
        read_parts(model)

    assert repr(how) in refusal.value.message


def test_a_model_with_prompts_or_further_layers_is_refused(world: "World", tmp_path: Path) -> None:
    model = world.build_model(tmp_path / "model", num_hidden_layers=1, hidden_size=8)
    write(model / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": ""}})

    with pytest.raises(InvalidRequestError, match="expects a prompt"):
        read_parts(model)

    (model / "config_sentence_transformers.json").unlink()
    modules = json.loads((model / "modules.json").read_text())
    write(
        model / "modules.json", [*modules, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
    )
    with pytest.raises(InvalidRequestError, match="'Dense'"):
        read_parts(model)


def test_an_encoder_with_a_decoder_is_refused(tmp_path: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    config = transformers.T5Config(vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    transformers.T5Model(config).save_pretrained(tmp_path)

    with pytest.raises(InvalidRequestError, match=r"cannot be loaded|with a decoder"):
        read_parts(tmp_path)


def test_damaged_weights_are_refused(world: "World", tmp_path: Path) -> None:
    model = world.build_model(tmp_path / "model", num_hidden_layers=1, hidden_size=8)
    (model / "model.safetensors").write_bytes(b"not weights")

    with pytest.raises(InvalidRequestError, match="cannot be loaded"):
        read_parts(model)


def test_what_training_saved_is_read_again(tiny_model: Path, tmp_path: Path) -> None:
    parts = replace(read_parts(tiny_model), projection=torch.nn.Linear(128, 9))

    save_parts(parts, tmp_path / "saved")
    again = read_parts(tmp_path / "saved")

    assert again.token_dimensions == 8
    assert torch.equal(again.projection.weight, parts.projection.weight)
    ids = torch.tensor([[101, 2175, 102]])
    with torch.no_grad():
        before, after = (one.transformer(ids).last_hidden_state for one in (parts, again))
    torch.testing.assert_close(after, before)
