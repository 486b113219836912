"""Loads base models and adapters from folders of this machine, and nothing from anywhere else."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import minified
from toolhone.training.local.orders import ABOUT
from toolhone.training.sources import required

_GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class Device:
    """Where the work is done."""

    name: str
    """`cuda`, `mps` or `cpu`."""
    bf16: bool
    """Whether half the bits are used where that does no harm."""


def device(threads: int) -> Device:
    """The best device there is."""
    torch = required("torch")
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        return Device("cuda", bool(torch.cuda.is_bf16_supported()))
    if torch.backends.mps.is_available():
        return Device("mps", False)
    return Device("cpu", False)


def load_tokenizer(model: str | Path) -> Any:
    """The tokenizer of a base model, or of a tuned one.

    Raises:
        InvalidRequestError: There is none that can be loaded.
    """
    transformers = required("transformers")
    folder, gguf = split_gguf(Path(model))
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), **gguf, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as exc:
        raise InvalidRequestError(
            f"The tokenizer of the model {str(model)!r} cannot be loaded: {exc}"
        ) from exc
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(base: str | Path, at: Device) -> Any:
    """A causal language model, in its folder or GGUF file.

    Raises:
        InvalidRequestError: It cannot be loaded.
    """
    transformers, torch = required("transformers"), required("torch")
    folder, gguf = split_gguf(Path(base))
    whole: dict[str, Any] = {}
    if gguf and hasattr(transformers, "GgufConfig"):
        # Packed weights cannot be trained, and are computed with differently than the tuned model's would be.
        whole = {"quantization_config": transformers.GgufConfig(dequantize=True)}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder),
            **gguf,
            **whole,
            dtype=torch.bfloat16 if at.bf16 else torch.float32,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as exc:
        raise InvalidRequestError(f"The model {str(base)!r} cannot be loaded: {exc}") from exc
    if gguf:
        # The weights have been unpacked, but the mark of packed ones stays and forbids to train.
        model.is_quantized = False
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
    return model.to(at.name)


def load_tuned(adapter: Path, at: Device) -> tuple[Any, Any]:
    """The model with this adapter on its base, and the tokenizer with the template it was trained in.

    Raises:
        InvalidRequestError: It cannot be loaded, or the base is not the one it was trained on.
    """
    peft = required("peft")
    try:
        about = json.loads((adapter / ABOUT).read_text(encoding="utf-8"))
    except OSError as exc:
        raise InvalidRequestError(
            f"{str(adapter)!r} is not the folder of a model tuned here: {ABOUT} cannot be read ({exc})."
        ) from exc
    base = str(about["base_model"])
    if fingerprint(base) != about["base_fingerprint"]:
        raise InvalidRequestError(
            f"The base model {base!r} is not the one on which {str(adapter)!r} was trained: its files have "
            "changed since. Put the old ones back, or train anew."
        )
    tokenizer = load_tokenizer(adapter)
    model = load_model(base, at)
    try:
        model = peft.PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise InvalidRequestError(f"The adapter in {str(adapter)!r} cannot be loaded: {exc}") from exc
    return model.to(at.name), tokenizer


def split_gguf(model: Path) -> tuple[Path, dict[str, str]]:
    """The folder of a model, and the arguments that name the GGUF file in it, if it is one."""
    if model.suffix == _GGUF:
        return model.parent, {"gguf_file": model.name}
    return model, {}


def fingerprint(model: str | Path) -> str:
    """What tells a base model from another: its configuration, and the names and sizes of its weights.

    Reading gigabytes of weights for each answer would be too slow.
    """
    folder, gguf = split_gguf(Path(model))
    weights = [Path(model)] if gguf else sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    config = folder / "config.json"
    about = minified(
        {
            "config": "" if gguf or not config.is_file() else hashlib.sha256(config.read_bytes()).hexdigest(),
            "weights": {file.name: file.stat().st_size for file in weights if file.is_file()},
        }
    )
    return hashlib.sha256(about.encode()).hexdigest()


def weight_bytes(model: str | Path) -> int:
    """How large the weights are on disk."""
    folder, gguf = split_gguf(Path(model))
    files = [Path(model)] if gguf else [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return sum(file.stat().st_size for file in files)
