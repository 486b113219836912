"""A tiny encoder with random weights and a small language to train it on. Modules that need torch wait for it."""

import importlib
import importlib.util
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from toolhone.models import ToolDefinition
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.training.contrastive import Recipe, TrainingSet, TrainingTask

# `make test` runs where torch is not installed; `make test-train` runs everything.
collect_ignore = (
    []
    if importlib.util.find_spec("torch")
    else ["test_contrastive.py", "test_export.py", "test_int8.py", "test_retraining.py", "test_train_command.py"]
)

VERBS = {"create": "make", "remove": "delete", "show": "display", "search": "find", "copy": "duplicate"}
NOUNS = {
    **{"picture": "image", "car": "vehicle", "letter": "message", "shop": "store", "doctor": "physician"},
    **{"road": "street", "child": "kid", "house": "home", "song": "music", "job": "work"},
}
"""A word of the tools and the word that tasks use for it. Words are learned; their combinations are held out."""

RECIPE = Recipe(
    epochs=12, batch=16, negatives=16, learning_rate=1e-3, frozen_layers=0, token_dimensions=16, task_tokens=24, tool_tokens=24
)


def build_model(folder: Path, **config: Any) -> Path:
    """A sentence-transformers model of two layers, untrained."""
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256}
    transformer = transformers.BertModel(transformers.BertConfig(vocab_size=30522, **{**sizes, **config}))
    transformer.save_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(DEFAULT_FOLDER / "tokenizer.json"), pad_token="[PAD]", model_max_length=256
    )
    tokenizer.save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 128, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "tiny")


def tool_of(verb: str, noun: str) -> ToolDefinition:
    return ToolDefinition(name=f"{verb}_{noun}", description=f"{verb} a {noun}", input_schema={"type": "object"})


TOOLS = [tool_of(verb, noun) for verb, noun in product(VERBS, NOUNS)]
TASKS = {f"{verb}_{noun}": f"please {VERBS[verb]} the {NOUNS[noun]} for me" for verb, noun in product(VERBS, NOUNS)}


def is_held_out(place: int) -> bool:
    return place % 4 == 1


def language(places: Sequence[int]) -> TrainingSet:
    """Tasks for the tools at these places, each in three wordings."""
    names = [TOOLS[place].name for place in places]
    return TrainingSet(
        name="language",
        tools=[f"{name.replace('_', ' ')}. {TOOLS[place].description}" for place, name in zip(places, names, strict=True)],
        groups=["" for _ in places],
        tasks=[
            TrainingTask(text=wording, right=(place,))
            for place, name in enumerate(names)
            for wording in (TASKS[name], f"I want to {TASKS[name].removeprefix('please ')}", TASKS[name][7:])
        ],
    )
