"""LoRA fine-tuning, from a base model and a dataset to an adapter; it goes on from its last checkpoint."""

import logging
import math
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from toolhone.exceptions import ProviderError
from toolhone.models import Json, JsonObject
from toolhone.training.local.adapter import save_adapter
from toolhone.training.local.masks import Marked
from toolhone.training.local.orders import ADAPTER, CHECKPOINTS, LORA_TARGETS, TrainingOrder
from toolhone.training.local.rows import Rows, prepare
from toolhone.training.local.weights import Device, device, load_model, load_tokenizer
from toolhone.training.providers.child_reports import Reporter, read_reports
from toolhone.training.providers.provider import Phase
from toolhone.training.sources import required

logger = logging.getLogger(__name__)

MOST_LINES = 1_000
"""Reports of the loss, for trainings of any length."""

SAVE_EVERY_SECONDS = 300.0
"""What is lost at most if the machine stops; a checkpoint is also made after each epoch."""

WHOLE = "whole"
"""Marks a checkpoint that was written to its end."""

_NAMES = {
    "loss": "training_loss",
    "eval_loss": "validation_loss",
    "mean_token_accuracy": "token_accuracy",
    "eval_mean_token_accuracy": "validation_token_accuracy",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
}


@dataclass(slots=True)
class Limits:
    """What may be used up, over all starts of this training."""

    order: TrainingOrder
    before: float
    """Seconds used by earlier starts, and by this one until `since`."""
    since: float

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.since

    @property
    def cost_usd(self) -> float:
        return self.seconds / 3_600 * self.order.usd_per_hour

    def exceeded(self) -> tuple[str, str] | None:
        """The word and the sentence for the limit that is reached, if one is."""
        order = self.order
        if order.usd_per_hour > 0 and self.cost_usd >= order.max_cost_usd:
            return "cost_stopped", (
                f"Stopped at ${self.cost_usd:.2f}, the most that was allowed "
                f"(max_training_cost_usd={order.max_cost_usd:g}, ${order.usd_per_hour:g} an hour)."
            )
        if self.seconds >= order.max_hours * 3_600:
            return "time_stopped", (
                f"Stopped after {self.seconds / 3_600:.2f} hours, the most that was allowed "
                f"(max_training_hours={order.max_hours:g}). Raise it, or train for fewer epochs."
            )
        return None


class Interrupted(Exception):
    """Asked to end: what was done is saved, and nothing more is said."""


def finetune(folder: Path, reporter: Reporter) -> None:
    """Train as `config.json` in the run folder says. Leaves the adapter and the last word there.

    Raises:
        InvalidRequestError: The model or the rows cannot be trained with.
        Interrupted: It got SIGTERM. Started again, it goes on from where it was.
    """
    order = TrainingOrder.model_validate(reporter.config())
    limits = Limits(order, seconds_so_far(folder), time.monotonic())
    at = device(order.threads)
    required("transformers").set_seed(order.seed)
    tokenizer = load_tokenizer(order.base_model)
    model = load_model(order.base_model, at)
    rows = prepare(
        order, tokenizer, positions=positions(model.config), vocabulary=int(model.config.vocab_size)
    )
    reporter.report(_say_rows(rows), {"rows": len(rows.train.examples), "cost_usd": limits.cost_usd})

    trainer = build_trainer(order, rows, model, tokenizer, at, folder / CHECKPOINTS)
    checkpoint = last_checkpoint(folder / CHECKPOINTS)
    follower = _follower(trainer, reporter, limits)
    trainer.add_callback(follower.callback)
    if checkpoint is None:
        follower.start_loss()
    else:
        reporter.report(f"Goes on from step {checkpoint.name.rpartition('-')[2]}")
    with _terminated(follower):
        result = trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if follower.terminated:
        raise Interrupted
    if follower.stopped is not None:
        word, sentence = follower.stopped
        reporter.finish(Phase.FAILED, raw=word, error=sentence, result={"cost_usd": limits.cost_usd})
        return
    loss = float(result.training_loss)
    if not math.isfinite(loss):
        raise ProviderError(
            f"The training diverged: its loss is {loss}. Take a smaller learning_rate than "
            f"{order.learning_rate:g}."
        )
    figures = _figures(folder, order, rows, int(trainer.state.global_step), loss)
    sha256 = save_adapter(folder / ADAPTER, trainer.model, tokenizer, order, rows.train, figures)
    reporter.report("The adapter is saved", {"cost_usd": limits.cost_usd})
    done: JsonObject = {"sha256": sha256, "cost_usd": limits.cost_usd, "seconds": limits.seconds}
    reporter.finish(Phase.SUCCEEDED, result={**done, **figures})


def build_trainer(
    order: TrainingOrder, rows: Rows, model: Any, tokenizer: Any, at: Device, output: Path
) -> Any:
    """TRL's trainer over rows that bring their own labels."""
    trl, peft = required("trl"), required("peft")
    watched = rows.validation is not None
    steps = -(-len(rows.train.examples) // order.batch_size) * order.n_epochs
    config = trl.SFTConfig(
        output_dir=str(output),
        num_train_epochs=order.n_epochs,
        per_device_train_batch_size=rows.at_once,
        per_device_eval_batch_size=rows.at_once,
        gradient_accumulation_steps=order.batch_size // rows.at_once,
        learning_rate=order.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(10, steps // 10),
        logging_steps=-(-steps // MOST_LINES),
        eval_strategy="epoch" if watched else "no",
        save_strategy="epoch",
        save_total_limit=2,
        # The epoch with the least validation loss is kept, not the last.
        load_best_model_at_end=watched,
        metric_for_best_model="eval_loss" if watched else None,
        greater_is_better=False if watched else None,
        seed=order.seed,
        data_seed=order.seed,
        bf16=at.bf16,
        use_cpu=at.name == "cpu",
        # It trades time for memory, which is scarce on GPUs only.
        gradient_checkpointing=at.name == "cuda",
        dataloader_pin_memory=at.name == "cuda",
        report_to="none",
        disable_tqdm=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    lora = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=order.lora_r,
        lora_alpha=order.lora_alpha,
        lora_dropout=0.0,
        target_modules=LORA_TARGETS,
    )
    trainer = trl.SFTTrainer(
        model=model,
        args=config,
        train_dataset=_dataset(rows.train),
        eval_dataset=_dataset(rows.validation) if rows.validation is not None else None,
        processing_class=tokenizer,
        peft_config=lora,
    )
    # What it prints is in the reports already.
    trainer.remove_callback(required("transformers").PrinterCallback)
    return trainer


def positions(config: Any) -> int:
    """How many tokens a model can read."""
    return int(getattr(config, "max_position_embeddings", None) or 2**31)


def last_checkpoint(folder: Path) -> Path | None:
    """The last one that was written to its end; what was not is removed."""
    whole: list[tuple[int, Path]] = []
    for checkpoint in folder.glob("checkpoint-*"):
        number = checkpoint.name.rpartition("-")[2]
        if (checkpoint / WHOLE).is_file() and number.isdecimal():
            whole.append((int(number), checkpoint))
        else:
            shutil.rmtree(checkpoint)
    return max(whole)[1] if whole else None


def seconds_so_far(folder: Path) -> float:
    """How long this start and those before it were at work.

    An earlier one counts from its start to the last thing it reported; when it was killed nobody knows.
    """
    total = 0.0
    first: datetime | None = None
    last: datetime | None = None
    for report in read_reports(folder):
        moment = datetime.fromisoformat(report.at)
        if report.start is not None:
            total += (last - first).total_seconds() if first and last else 0.0
            first = moment
        last = moment
    return total + ((datetime.now(UTC) - first).total_seconds() if first else 0.0)


def _dataset(marked: Marked) -> Any:
    return required("datasets").Dataset.from_dict(
        {
            "input_ids": [example.input_ids for example in marked.examples],
            "labels": [example.labels for example in marked.examples],
        }
    )


class _Follower:
    """Reports how it goes, keeps to the limits, and ends the training when it is told to."""

    def __init__(self, trainer: Any, reporter: Reporter, limits: Limits) -> None:
        self._trainer = trainer
        self._reporter = reporter
        self._limits = limits
        self._saved = time.monotonic()
        self.callback: Any = None
        self.terminated = False
        self.stopped: tuple[str, str] | None = None

    def start_loss(self) -> None:
        """The validation loss of the base model: where the curve begins."""
        if self._trainer.eval_dataset is not None:
            self._trainer.evaluate()

    def terminate(self) -> None:
        self.terminated = True

    def step_ended(self, control: Any) -> None:
        self.stopped = self.stopped or self._limits.exceeded()
        if self.terminated or self.stopped is not None:
            control.should_training_stop = True
        if self.terminated or time.monotonic() - self._saved > SAVE_EVERY_SECONDS:
            control.should_save = True

    def saved(self, output: str, step: int) -> None:
        (Path(output) / f"checkpoint-{step}" / WHOLE).touch()
        self._saved = time.monotonic()

    def logged(self, state: Any, logs: Mapping[str, Any]) -> None:
        metrics = {
            ours: float(logs[theirs])
            for theirs, ours in _NAMES.items()
            if theirs in logs and math.isfinite(float(logs[theirs]))
        }
        if not {"training_loss", "validation_loss"} & metrics.keys():
            return
        step, steps = int(state.global_step), int(state.max_steps)
        metrics |= {"step": step, "epoch": float(state.epoch or 0.0), "cost_usd": self._limits.cost_usd}
        if steps > 0:
            metrics["steps"] = steps
        kind = "Validation loss" if "validation_loss" in metrics else "Training loss"
        loss = metrics.get("validation_loss", metrics.get("training_loss", 0.0))
        self._reporter.report(f"{kind} {loss:.4f} at step {step}", metrics)


def _follower(trainer: Any, reporter: Reporter, limits: Limits) -> _Follower:
    follower = _Follower(trainer, reporter, limits)

    # The base class can be named only when transformers is there.
    def on_step_end(_self: Any, _args: Any, _state: Any, control: Any, **_: Any) -> None:
        follower.step_ended(control)

    def on_save(_self: Any, args: Any, state: Any, _control: Any, **_: Any) -> None:
        follower.saved(str(args.output_dir), int(state.global_step))

    def on_log(_self: Any, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
        follower.logged(state, cast("Mapping[str, Any]", logs or {}))

    callback = type(
        "Following",
        (required("transformers").TrainerCallback,),
        {"on_step_end": on_step_end, "on_save": on_save, "on_log": on_log},
    )
    follower.callback = callback()
    return follower


class _terminated:
    """While it lasts, SIGTERM ends the training after the step that it is in."""

    def __init__(self, follower: _Follower) -> None:
        self._follower = follower
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, lambda _number, _frame: self._follower.terminate())

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _say_rows(rows: Rows) -> str:
    train = rows.train
    left_out = "; ".join(f"{count} left out: {why}" for why, count in train.dropped.items())
    watched = len(rows.validation.examples) if rows.validation is not None else 0
    return (
        f"{len(train.examples)} rows to learn from and {watched} to watch the loss on, "
        f"{rows.learned} of {rows.tokens} tokens are answers, found by {train.way}"
        + (f". {left_out}" if left_out else "")
    )


def _figures(folder: Path, order: TrainingOrder, rows: Rows, step: int, loss: float) -> JsonObject:
    # Not from the trainer's own history, which lacks what came before the first step.
    watched = [report.metrics for report in read_reports(folder) if "validation_loss" in report.metrics]
    before = next((one["validation_loss"] for one in watched if one["step"] == 0), None)
    best = min(
        (one for one in watched if one["step"] > 0), key=lambda one: one["validation_loss"], default=None
    )
    return {
        "steps": step,
        "rows": len(rows.train.examples),
        "dropped": cast("Json", rows.dropped),
        "trained_tokens": rows.tokens * order.n_epochs,
        "learned_tokens": rows.learned * order.n_epochs,
        "answers_found_by": rows.train.way,
        "training_loss": round(loss, 6),
        "validation_loss_before": None if before is None else round(before, 6),
        "validation_loss": None if best is None else round(best["validation_loss"], 6),
        "best_epoch": None if best is None else round(best["epoch"], 2),
    }
