"""Looks at the folder of a base model, without loading it, and says what is wrong with it in plain words."""

import importlib.util
import json
from pathlib import Path

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject

_WEIGHTS = ("*.safetensors", "*.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def checked_base_model(base_model: str) -> str:
    """The absolute path of a base model that has all its parts.

    Raises:
        InvalidRequestError: It is not there, or cannot be trained; the message says what to change.
    """
    if not base_model:
        raise InvalidRequestError(
            "Local training needs a base_model: the folder of a language model on this machine, or a GGUF "
            "file in such a folder."
        )
    path = Path(base_model).expanduser()
    if not path.exists():
        raise InvalidRequestError(
            f"There is no model at {base_model!r}. Nothing is downloaded: fetch the model first "
            "(`hf download NAME --local-dir FOLDER`) and give its folder."
        )
    path = path.resolve()
    if path.suffix == ".gguf":
        if importlib.util.find_spec("gguf") is None:
            raise InvalidRequestError(
                f"{base_model!r} is a GGUF file, which needs one more package: pip install gguf. "
                "Or give the folder of the model in safetensors."
            )
        return str(path)
    if not path.is_dir():
        raise InvalidRequestError(f"{base_model!r} is a file. Give the model's folder, or a `.gguf` file.")
    _check_folder(path)
    return str(path)


def _check_folder(folder: Path) -> None:
    config = _json(folder / "config.json")
    if config is None:
        ggufs = sorted(file.name for file in folder.glob("*.gguf"))
        hint = f" To train from the GGUF file there give {str(folder / ggufs[0])!r}." if ggufs else ""
        raise InvalidRequestError(f"{str(folder)!r} is not the folder of a model: no config.json.{hint}")
    if config.get("auto_map"):
        raise InvalidRequestError(
            f"The model in {str(folder)!r} runs code of its own, which is never done here. Take a model that "
            "transformers knows by itself."
        )
    architectures: Json = config.get("architectures") or []
    names = [str(name) for name in architectures] if is_array(architectures) else []
    if names and not any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        raise InvalidRequestError(
            f"The model in {str(folder)!r} is a {', '.join(names)}; only causal language models can be "
            "trained to answer."
        )
    if not any(next(folder.glob(kind), None) for kind in _WEIGHTS):
        raise InvalidRequestError(
            f"The folder {str(folder)!r} has no weights (*.safetensors). Fetch it anew."
        )
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise InvalidRequestError(
            f"The folder {str(folder)!r} has no tokenizer (tokenizer.json). Fetch it anew."
        )
    settings = _json(folder / "tokenizer_config.json") or {}
    if not (settings.get("chat_template") or next(folder.glob("chat_template*"), None)):
        raise InvalidRequestError(
            f"The model in {str(folder)!r} has no chat template, so it cannot be told where an answer "
            "begins. Take its instruction-tuned variant, or add a `chat_template.jinja`."
        )


def _json(file: Path) -> JsonObject | None:
    try:
        value: Json = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise InvalidRequestError(f"{str(file)!r} cannot be read: {exc}. Fetch the model anew.") from exc
    return value if is_object(value) else None
