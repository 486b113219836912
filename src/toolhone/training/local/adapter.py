"""Writes what a training leaves behind: the adapter, its tokenizer and card, and one hash over all of it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from toolhone.models import JsonObject
from toolhone.training.local.masks import Marked
from toolhone.training.local.orders import ABOUT, LORA_TARGETS, TrainingOrder
from toolhone.training.local.weights import fingerprint


def save_adapter(
    folder: Path, model: Any, tokenizer: Any, order: TrainingOrder, marked: Marked, figures: JsonObject
) -> str:
    """Write the folder as a whole or not at all; returns its hash."""
    scratch = folder.with_name(f".{folder.name}-unfinished")
    for old in (scratch, folder):
        if old.exists():
            shutil.rmtree(old)
    model.peft_config["default"].base_model_name_or_path = order.base_model
    # By default a hub is asked whether the vocabulary grew. Nothing adds tokens here.
    model.save_pretrained(str(scratch), save_embedding_layers=False)
    if marked.template is not None:
        # What it was trained in is what it has to be asked in.
        tokenizer.chat_template = marked.template
    tokenizer.save_pretrained(str(scratch))
    about: JsonObject = {
        "base_model": order.base_model,
        "base_fingerprint": fingerprint(order.base_model),
        "category": order.category,
        "job_id": order.job_id,
        "dataset_id": order.dataset_id,
        "dataset_hash": order.dataset_hash,
        "lora": {"r": order.lora_r, "alpha": order.lora_alpha, "targets": LORA_TARGETS},
        "n_epochs": order.n_epochs,
        "batch_size": order.batch_size,
        "learning_rate": order.learning_rate,
        "seed": order.seed,
        "figures": figures,
    }
    (scratch / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (scratch / "README.md").write_text(_card(order, figures), encoding="utf-8")
    sha256 = folder_hash(scratch)
    scratch.rename(folder)
    return sha256


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and hashes of all files in a folder."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


def _card(order: TrainingOrder, figures: JsonObject) -> str:
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in figures.items() if value is not None]
    return "\n".join(
        [
            "---",
            f"base_model: {json.dumps(order.base_model)}",
            "library_name: peft",
            "---",
            f"# A LoRA adapter for the category {order.category}",
            "",
            f"Trained by toolhone in the job `{order.job_id}` on the dataset `{order.dataset_id}` "
            f"(content hash `{order.dataset_hash}`), on the base model `{order.base_model}`.",
            "",
            f"LoRA r={order.lora_r}, alpha={order.lora_alpha}, targets {LORA_TARGETS}; "
            f"{order.n_epochs} epochs, batch {order.batch_size}, "
            f"learning rate {order.learning_rate:g} (cosine), seed {order.seed}.",
            "",
            "## Figures of the training",
            "",
            *lines,
            "",
            "Losses say how the training went, not how good the model is. That is what its gate measured, on "
            "answers to requests held out of the training; see the job.",
            "",
        ]
    )
