"""Says whether a training would work and what it would take, by doing its first moments."""

import statistics
import time
from pathlib import Path
from typing import Any, cast

from toolhone.models import Json, JsonObject
from toolhone.training.local.finetune import build_trainer, positions
from toolhone.training.local.orders import TrainingOrder
from toolhone.training.local.rows import Rows, prepare, steps_of
from toolhone.training.local.weights import (
    Device,
    device,
    load_model,
    load_tokenizer,
    split_gguf,
    weight_bytes,
)
from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase
from toolhone.training.sources import required

TRIED_BYTES = 2_000_000_000
"""Larger models are not loaded for an estimate: that alone would take minutes."""

_TRIALS = 2


def check(folder: Path, reporter: Reporter) -> None:
    """Read the rows as the training would, time a few passes, and leave the findings as the last word.

    Raises:
        InvalidRequestError: It cannot be trained so.
    """
    order = TrainingOrder.model_validate(reporter.config())
    began = time.monotonic()
    at = device(order.threads)
    tokenizer = load_tokenizer(order.base_model)
    model: Any = None
    if weight_bytes(order.base_model) <= TRIED_BYTES:
        model = load_model(order.base_model, at)
        config = model.config
    else:
        base, gguf = split_gguf(Path(order.base_model))
        config = required("transformers").AutoConfig.from_pretrained(str(base), **gguf, local_files_only=True)
    rows = prepare(order, tokenizer, positions=positions(config), vocabulary=int(config.vocab_size))
    steps = steps_of(len(rows.train.examples), order.batch_size, order.n_epochs)
    loading = time.monotonic() - began
    found: JsonObject = {
        "rows": len(rows.train.examples),
        "validation_rows": len(rows.validation.examples) if rows.validation else 0,
        "dropped": cast("Json", rows.dropped),
        "trained_tokens": rows.tokens * order.n_epochs,
        "learned_tokens": rows.learned * order.n_epochs,
        "steps": steps,
        "rows_at_once": rows.at_once,
        "answers_found_by": rows.train.way,
        "device": at.name,
        "seconds": None
        if model is None
        else loading + _seconds(order, rows, model, tokenizer, at, folder / "tried"),
    }
    reporter.finish(Phase.SUCCEEDED, result=found)


def _seconds(order: TrainingOrder, rows: Rows, model: Any, tokenizer: Any, at: Device, output: Path) -> float:
    """All passes, reckoned from a few over rows of middling length."""
    trainer = build_trainer(order, rows, model, tokenizer, at, output)
    length = statistics.median_low([len(example.input_ids) for example in rows.train.examples])
    near = sorted(rows.train.examples, key=lambda example: abs(len(example.input_ids) - length))
    chosen = near[: rows.at_once]
    batch = trainer.data_collator(
        [{"input_ids": example.input_ids, "labels": example.labels} for example in chosen]
    )
    batch = {name: values.to(at.name) for name, values in batch.items()}
    times: list[float] = []
    for _ in range(_TRIALS + 1):
        started = time.perf_counter()
        loss = trainer.model(**batch).loss
        loss.backward()
        float(loss)  # waits for a GPU
        trainer.model.zero_grad()
        times.append(time.perf_counter() - started)
    # The first pass warms up.
    per_token = statistics.mean(times[1:]) / sum(len(example.input_ids) for example in chosen)
    watched = sum(len(example.input_ids) for example in rows.validation.examples) if rows.validation else 0
    # A pass without gradients takes about a third. The loss is watched before the first epoch and after each.
    tokens = rows.tokens * order.n_epochs + watched * (order.n_epochs + 1) / 3
    return per_token * tokens
