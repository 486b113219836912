"""Trains the encoder that toolhone ships.

python encoder/train.py --data FOLDER --servers FOLDER --base FOLDER --out FOLDER

FOLDER of `--data` has the labelled sets (`benchmarks/selection.py` describes the form), that of `--servers`
recorded `tools/list` answers, that of `--base` the sentence-transformers model to start from. Needs
`toolhone[train]`.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from sets import LabelledSet, labelled

from toolhone.selection.text import embedded_text, tool_text
from toolhone.training.contrastive import Recipe, TrainingSet, TrainingTask, finetune
from toolhone.training.sources import read_parts, save_parts


def training_set(labelled: LabelledSet) -> TrainingSet:
    places = {tool.name: place for place, tool in enumerate(labelled.tools)}
    return TrainingSet(
        name=labelled.name,
        tools=[embedded_text(tool_text(tool)) for tool in labelled.tools],
        groups=[tool.server or "" for tool in labelled.tools],
        tasks=[
            TrainingTask(
                text=request.query,
                right=tuple(places[name] for name in request.gold),
                also=tuple(places[name] for name in request.also if name in places),
            )
            for request in labelled.requests
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for option in ("--data", "--servers", "--base", "--out"):
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--negatives", type=int, default=Recipe().negatives)
    options = parser.parse_args()
    sets = [training_set(train) for train, _ in labelled(options.data, options.servers)]
    for one in sets:
        print(f"{one.name}: {len(one.tasks):,} tasks, {len(one.tools):,} tools", flush=True)
    recipe = Recipe(epochs=options.epochs, negatives=options.negatives)
    began = time.monotonic()

    def report(step: int, steps: int, loss: float) -> None:
        if step % 10 == 0 or step == steps:
            print(f"{step}/{steps} loss {loss:.3f} {time.monotonic() - began:.0f} s", flush=True)

    trained = finetune(read_parts(options.base), sets, recipe, report=report)
    save_parts(trained.parts, options.out)
    (options.out / "recipe.json").write_text(json.dumps({**asdict(recipe), "losses": trained.losses}))


if __name__ == "__main__":
    main()
