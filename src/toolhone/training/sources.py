"""Reads the parts of an encoder: from a sentence-transformers model, what training saved, or a bundle."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolhone.exceptions import InvalidRequestError, TrainingFailedError
from toolhone.models import JsonObject
from toolhone.selection.bundle import MANIFEST, TOKENIZER, WEIGHTS
from toolhone.training.int8 import stored_weights

PROJECTION = "projection.pt"
"""The trained layer from token states to token vectors and weights, beside the transformer's files."""

TRANSPOSED = ".transposed"
"""Ends the name of a weight that a bundle stores the other way round."""

EQUAL = "equal:"
"""Begins the key under which a bundle notes which of its weights another parameter has, too."""

LONGEST = 256
"""No encoder is given more tokens of a task than this, whatever it could read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParts:
    """A transformer whose pooling is the mean, perhaps with a layer for token vectors; torch objects."""

    transformer: Any
    tokenizer: Any
    projection: Any
    """`Linear(dimensions, token_dimensions + 1)`, or `None`."""
    longest: int
    """Tokens it reads of a text."""

    @property
    def dimensions(self) -> int:
        return int(self.transformer.config.hidden_size)

    @property
    def token_dimensions(self) -> int:
        return 0 if self.projection is None else int(self.projection.out_features) - 1


def read_parts(folder: Path, *, to_train: bool = False) -> EncoderParts:
    """Load what `export_bundle` and training start from.

    Args:
        to_train: Make the weights of a bundle fit to be trained (`stored_weights` says how and why).

    Raises:
        InvalidRequestError: The folder has no such model, or one that pools in another way.
        TrainingFailedError: What training needs is not installed.
    """
    kind_of(folder)
    if (folder / MANIFEST).is_file():
        return _from_bundle(folder, to_train=to_train)
    torch, transformers, safetensors = required("torch"), required("transformers"), required("safetensors")
    transformers.utils.logging.disable_progress_bar()
    try:
        # Eager attention is what the exporter turns into the plainest graph.
        transformer = transformers.AutoModel.from_pretrained(
            str(folder), attn_implementation="eager", local_files_only=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as exc:
        raise InvalidRequestError(f"The model in {str(folder)!r} cannot be loaded: {exc}") from exc
    if getattr(transformer.config, "is_encoder_decoder", False):
        raise InvalidRequestError(
            f"The model in {str(folder)!r} is an encoder with a decoder. Only encoders (BERT, MPNet, "
            "RoBERTa and their like) can be exported."
        )
    if not getattr(tokenizer, "is_fast", False):
        raise InvalidRequestError(
            f"The tokenizer in {str(folder)!r} has no tokenizer.json. Save it with a fast tokenizer."
        )
    return EncoderParts(
        transformer=transformer.float().eval(),
        tokenizer=tokenizer,
        projection=_projection(torch, folder / PROJECTION),
        longest=_longest(folder, transformer, tokenizer),
    )


def kind_of(folder: Path) -> str:
    """The kind of transformer in a folder, `bert` say. Looks at its settings only, and needs no torch.

    Raises:
        InvalidRequestError: The folder has no model, or one that pools in another way or cannot be trained
            because its bundle does not say what it is built from.
    """
    if (folder / MANIFEST).is_file():
        manifest = _read(folder / MANIFEST)
        if "transformer" not in manifest:
            raise InvalidRequestError(
                f"The encoder in {str(folder)!r} does not say what its transformer is built from. Export it "
                "again, or name the folder of a sentence-transformers model to start from."
            )
        return str(manifest["transformer"]["model_type"])
    if not (folder / "config.json").is_file():
        raise InvalidRequestError(
            f"{str(folder)!r} is not the folder of a sentence-transformers model: it has no config.json. "
            "Give the folder that the model was saved to or downloaded into."
        )
    _refuse_other_pooling(folder)
    return str(_read(folder / "config.json").get("model_type", ""))


def save_parts(parts: EncoderParts, folder: Path) -> None:
    """Write what `read_parts` reads, in full precision."""
    folder.mkdir(parents=True, exist_ok=True)
    parts.transformer.save_pretrained(folder)
    parts.tokenizer.save_pretrained(folder)
    if parts.projection is not None:
        required("torch").save(parts.projection.state_dict(), str(folder / PROJECTION))


def _from_bundle(folder: Path, *, to_train: bool) -> EncoderParts:
    """The encoder that the server loads, made trainable again; its weights are as exact as int8 is."""
    torch, transformers, onnx = required("torch"), required("transformers"), required("onnx")
    manifest = _read(folder / MANIFEST)
    config = dict(manifest["transformer"])
    transformer = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(config.pop("model_type"), **config), attn_implementation="eager"
    )
    graph = onnx.load(str(folder / WEIGHTS))
    arrays = stored_weights(graph, to_train=to_train)
    arrays |= {
        note.key.removeprefix(EQUAL): arrays[note.value]
        for note in graph.metadata_props
        if note.key.startswith(EQUAL)
    }
    weights = {
        name.removesuffix(TRANSPOSED): torch.tensor(values.T if name.endswith(TRANSPOSED) else values)
        for name, values in arrays.items()
    }
    stored = {
        name.removeprefix("transformer."): weights[name]
        for name in weights
        if name.startswith("transformer.")
    }
    lacking = [
        name
        for name in transformer.load_state_dict(stored, strict=False).missing_keys
        if "pooler" not in name
    ]
    if lacking:
        raise InvalidRequestError(
            f"The encoder in {str(folder)!r} lacks the weights {', '.join(lacking[:3])}. Export it again."
        )
    projection = None
    if manifest["token_dimensions"]:
        projection = torch.nn.Linear(manifest["dimensions"], manifest["token_dimensions"] + 1)
        projection.load_state_dict({part: weights[f"projection.{part}"] for part in ("weight", "bias")})
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / TOKENIZER), pad_token=manifest["padding"]
    )
    return EncoderParts(
        transformer=transformer.eval(),
        tokenizer=tokenizer,
        projection=projection,
        longest=int(manifest["task_tokens"]),
    )


def required(module: str) -> Any:
    """Import a part of `toolhone[train]`.

    Raises:
        TrainingFailedError: It is not installed; the message has the commands.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise TrainingFailedError(
            f"Training and export need {module!r}, which cannot be imported ({exc}). Install what they need "
            "with: pip install torch==2.13.0, then: pip install 'toolhone[train]'."
        ) from exc


def _projection(torch: Any, path: Path) -> Any:
    if not path.is_file():
        return None
    state = torch.load(str(path), map_location="cpu", weights_only=True)
    rows, columns = state["weight"].shape
    layer = torch.nn.Linear(columns, rows)
    layer.load_state_dict(state)
    return layer.eval()


def _longest(folder: Path, transformer: Any, tokenizer: Any) -> int:
    """The least of what the model, its tokenizer and its sentence-transformers settings allow."""
    limits = [LONGEST, int(tokenizer.model_max_length)]
    positions = getattr(transformer.config, "max_position_embeddings", None)
    if positions:
        # RoBERTa and MPNet count positions from behind the padding token, the second of their vocabulary.
        limits.append(int(positions) - 2)
    settings = folder / "sentence_bert_config.json"
    if settings.is_file():
        limits.append(int(_read(settings).get("max_seq_length") or LONGEST))
    return min(limits)


def _refuse_other_pooling(folder: Path) -> None:
    """The server pools by the mean, of the whole and of each sentence; others would be wrong silently."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return  # sentence-transformers takes the mean of a bare transformer, too
    for module in _read(modules):
        kind = str(module["type"]).rpartition(".")[2]
        if kind == "Pooling":
            how = _pooling(_read(folder / module["path"] / "config.json"))
            if how != "mean":
                raise InvalidRequestError(
                    f"The model in {str(folder)!r} pools by {how!r}; only the mean of all tokens is "
                    "supported. Choose a model whose 1_Pooling/config.json says mean."
                )
        elif kind not in ("Transformer", "Normalize"):
            raise InvalidRequestError(
                f"The model in {str(folder)!r} has a module {kind!r} that cannot be exported; supported are "
                "Transformer, Pooling (mean) and Normalize."
            )
    settings = folder / "config_sentence_transformers.json"
    prompts: JsonObject = (_read(settings).get("prompts") or {}) if settings.is_file() else {}
    if any(prompts.values()):
        raise InvalidRequestError(
            f"The model in {str(folder)!r} expects a prompt before each text ({', '.join(sorted(prompts))}), "
            "which the server does not add. Choose a model without prompts."
        )


def _pooling(config: JsonObject) -> str:
    if "pooling_mode" in config:
        return str(config["pooling_mode"])
    modes = [
        key.removeprefix("pooling_mode_")
        for key, on in config.items()
        if key.startswith("pooling_mode_") and on
    ]
    return "mean" if modes == ["mean_tokens"] else "+".join(modes)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InvalidRequestError(
            f"{str(path)!r} cannot be read: {exc}. Save or download the model again."
        ) from exc
