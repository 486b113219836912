"""A tiny encoder with random weights, and a small language to train it on."""

import importlib
import importlib.util
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from toolhone.models import ToolDefinition
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.selection.text import tool_text
from toolhone.training.contrastive import Recipe, TrainingSet, TrainingTask
from toolhone.training.export import export_bundle
from toolhone.training.sources import read_parts

VERBS = {"create": "make", "remove": "delete", "show": "display", "search": "find", "copy": "duplicate"}
NOUNS = {
    "picture": "image",
    "car": "vehicle",
    "letter": "message",
    "shop": "store",
    "doctor": "physician",
    "road": "street",
    "child": "kid",
    "house": "home",
    "song": "music",
    "job": "work",
}
"""Words of the tools with those that tasks use for them. Words are learned, combinations held out."""

RECIPE = Recipe(
    epochs=6,
    batch=16,
    negatives=16,
    learning_rate=1e-3,
    frozen_layers=0,
    token_dimensions=16,
    task_tokens=24,
    tool_tokens=24,
)

collect_ignore: list[str] = []
if importlib.util.find_spec("torch") is None:
    # `make test` runs without torch; `make test-train` runs everything here.
    collect_ignore += ["test_contrastive.py", "test_export.py", "test_int8.py"]
    collect_ignore += [
        "test_parquet.py",
        "test_retraining.py",
        "test_selector_provider.py",
        "test_sources.py",
        "test_train_command.py",
    ]
else:
    # Threads that wait for each other gain nothing on models this small, and cost much on a busy machine.
    importlib.import_module("torch").set_num_threads(1)


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


TOOLS = [
    ToolDefinition(
        name=f"{verb}_{noun}",
        description=f"{verb} a {noun}",
        input_schema={"type": "object"},
        original_name=f"{verb}_{noun}",
    )
    for verb, noun in product(VERBS, NOUNS)
]
TASKS = {f"{verb}_{noun}": f"{VERBS[verb]} the {NOUNS[noun]}" for verb, noun in product(VERBS, NOUNS)}
"""What each tool does, in the words of the tasks."""

WORDINGS = (
    *("{}", "please {}", "I want to {}", "could you {} for me", "{} now", "now {} please", "we have to {}"),
    *("{} as soon as possible", "today {}", "it is time to {}"),
)


def language(places: Sequence[int]) -> TrainingSet:
    """The tools at these places, and for each a task in three wordings."""
    tools = [TOOLS[place] for place in places]
    return TrainingSet(
        name="language",
        tools=[tool_text(tool) for tool in tools],
        groups=[""] * len(tools),
        tasks=[
            TrainingTask(text=wording.format(TASKS[tool.name]), right=(place,))
            for place, tool in enumerate(tools)
            for wording in WORDINGS[:3]
        ],
    )


def recorded_log() -> list[Lesson]:
    """Half a thousand requests, each served by the tool that the words mean."""
    tasks = [(wording.format(TASKS[tool.name]), tool.name) for tool in TOOLS for wording in WORDINGS]
    random.Random(0).shuffle(tasks)
    start = datetime(2026, 5, 1, tzinfo=UTC)
    return [
        Lesson(
            id=str(number),
            asked_at=(start + timedelta(minutes=number)).isoformat(timespec="microseconds"),
            principal=f"agent {number % 4}",
            task=RememberedTask(text=text),
            shown=(name,),
            outcomes=(Outcome(name, 1, 1.0),),
        )
        for number, (text, name) in enumerate(tasks)
    ]


@dataclass(frozen=True, slots=True)
class World:
    """What the tests share: modules of tests cannot import each other."""

    tools: Sequence[ToolDefinition]
    tasks: Mapping[str, str]
    wordings: Sequence[str]
    recipe: Recipe
    language: Callable[[Sequence[int]], TrainingSet]
    build_model: Callable[..., Path]
    log: Sequence[Lesson]


@pytest.fixture(scope="session")
def world() -> World:
    return World(TOOLS, TASKS, WORDINGS, RECIPE, language, build_model, recorded_log())


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_bundle(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, exported."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    export_bundle(read_parts(tiny_model), folder, name="tiny", base="tiny")
    return folder
