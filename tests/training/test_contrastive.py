"""Training teaches words, so that combinations of them that it never saw are found."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.selection.text import tool_text
from toolhone.training.contrastive import TrainingSet, TrainingTask, finetune
from toolhone.training.sources import EncoderParts, read_parts

if TYPE_CHECKING:
    from training.conftest import World

torch: Any = importlib.import_module("torch")


def vectors(parts: EncoderParts, texts: list[str]) -> Any:
    rows: list[Any] = []
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([parts.tokenizer(text)["input_ids"]])
            rows.append(parts.transformer(ids).last_hidden_state[0].mean(dim=0))
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def recall(parts: EncoderParts, world: "World", held_out: list[int]) -> float:
    """Recall@5 among all tools of tasks for the tools that were held out."""
    tools = vectors(parts, [tool_text(tool) for tool in world.tools])
    tasks = vectors(parts, [f"please {world.tasks[world.tools[place].name]}" for place in held_out])
    found = (tasks @ tools.T).topk(5, dim=1).indices.tolist()
    return sum(place in row for place, row in zip(held_out, found, strict=True)) / len(held_out)


def test_a_trained_encoder_finds_tools_that_it_never_saw(world: "World", tiny_model: Path) -> None:
    held_out = [place for place in range(len(world.tools)) if place % 4 == 1]
    parts = read_parts(tiny_model)
    untrained = recall(parts, world, held_out)
    steps: list[tuple[int, int]] = []

    trained = finetune(
        parts,
        [world.language([place for place in range(len(world.tools)) if place % 4 != 1])],
        world.recipe,
        report=lambda step, of, loss: steps.append((step, of)),
    )

    assert recall(trained.parts, world, held_out) > untrained + 0.3
    assert sum(trained.losses[-5:]) < 0.3 * sum(trained.losses[:5])
    assert trained.parts.token_dimensions == world.recipe.token_dimensions
    assert [step for step, _ in steps] == list(range(1, len(steps) + 1))
    assert {of for _, of in steps} == {len(steps)}


def test_the_same_seed_trains_the_same_encoder(world: "World", tiny_model: Path) -> None:
    recipe = replace(world.recipe, epochs=1)

    losses = [finetune(read_parts(tiny_model), [world.language(range(12))], recipe).losses for _ in range(2)]

    assert losses[0] == losses[1]


def test_word_embeddings_and_frozen_layers_stay_as_they_are(world: "World", tiny_model: Path) -> None:
    parts = read_parts(tiny_model)
    before = {name: value.clone() for name, value in parts.transformer.state_dict().items()}

    finetune(parts, [world.language(range(12))], replace(world.recipe, epochs=1, frozen_layers=1))

    changed = {
        name for name, value in parts.transformer.state_dict().items() if not value.equal(before[name])
    }
    assert changed
    assert all(name.startswith("encoder.layer.1.") for name in changed)


def test_a_share_of_the_weights_from_before_can_be_kept(world: "World", tiny_model: Path) -> None:
    parts = read_parts(tiny_model)
    before = {name: value.clone() for name, value in parts.transformer.state_dict().items()}

    finetune(parts, [world.language(range(12))], replace(world.recipe, epochs=1, kept=1.0))

    for name, value in parts.transformer.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_training_goes_on_with_the_projection_there_is(world: "World", tiny_model: Path) -> None:
    parts = read_parts(tiny_model)
    first = finetune(parts, [world.language(range(12))], replace(world.recipe, epochs=1)).parts

    again = finetune(first, [world.language(range(12))], replace(world.recipe, epochs=1)).parts

    assert again.projection is first.projection


def test_tools_known_to_be_wrong_are_told_apart_first(world: "World", tiny_model: Path) -> None:
    tools = [tool_text(tool) for tool in world.tools]
    tasks = [TrainingTask(text="create something", right=(0,), wrong=(40,)) for _ in range(8)]
    one = TrainingSet(name="wrong", tools=tools, groups=[""] * len(tools), tasks=tasks)
    parts = read_parts(tiny_model)

    finetune(parts, [one], replace(world.recipe, epochs=4, negatives=2, batch=4))

    task, right, wrong = vectors(parts, ["create something", tools[0], tools[40]])
    assert float(task @ right) > float(task @ wrong) + 0.1


def test_too_few_tasks_and_other_kinds_of_transformers_are_refused(world: "World", tiny_model: Path) -> None:
    parts = read_parts(tiny_model)
    one = world.language(range(12))

    with pytest.raises(InvalidRequestError, match="too few tasks"):
        finetune(parts, [replace(one, tasks=one.tasks[:1])], world.recipe)

    parts.transformer.config.model_type = "mpnet"
    with pytest.raises(InvalidRequestError, match="'mpnet' cannot be trained"):
        finetune(parts, [one], world.recipe)
