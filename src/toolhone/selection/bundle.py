"""Loads an encoder from its folder: ONNX weights, tokenizer and a manifest that pins both by hash.

Nothing is downloaded; onnxruntime and tokenizers are imported when an encoder is loaded, torch never. One
pass over a task gives the vector of the whole, of each sentence, and of each token.
"""

import ctypes
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhone.exceptions import ModelUnavailableError
from toolhone.models import JsonObject
from toolhone.selection.calibration import Calibration
from toolhone.selection.encoder import EncodedTask, EncodedText
from toolhone.selection.runtime import Model
from toolhone.selection.sentences import sentence_spans
from toolhone.selection.text import well_formed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANIFEST = "encoder.json"
WEIGHTS = "encoder.onnx"
TOKENIZER = "tokenizer.json"

DEFAULT_FOLDER = Path(__file__).parent / "assets" / "encoder"
DEFAULT_SHA256 = "c94440488c55d3ccfe7042d3de38c2bfa705b6b0aed195d209a5ad3f8afd8f0e"
"""Of the manifest of the encoder that comes with toolhone."""

INT8 = 127.0


class Manifest(BaseModel):
    """`encoder.json`: what an encoder is and which files it consists of."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: int = Field(ge=1, le=1)
    name: str = Field(min_length=1, max_length=200)
    base: str = ""
    dimensions: int = Field(ge=1, le=8192)
    token_dimensions: int = Field(ge=0, le=8192)
    task_tokens: int = Field(ge=8, le=8192)
    """A task is read up to this many tokens."""
    text_tokens: int = Field(ge=8, le=8192)
    """A tool's text likewise."""
    late_tokens: int = Field(ge=0, le=8192)
    """So many of a tool's tokens are kept to be compared one by one."""
    files: dict[str, str]
    """SHA-256 of each file."""
    created: str = ""
    parent: str | None = None
    training: JsonObject = Field(default_factory=dict)
    calibration: Calibration | None = None
    """What its scores mean; without it answers are judged by words."""


class BundleEncoder:
    """An encoder on onnxruntime: mean-pooled token states, of whole texts and of sentences."""

    def __init__(self, folder: Path, manifest: Manifest, tokenizer: str, *, name: str) -> None:
        from tokenizers import Tokenizer

        self._model = Model(folder / WEIGHTS)
        self._outputs = ["states", "tokens", "weights"] if manifest.token_dimensions else ["states"]
        self._for_tasks = _tokenizer(Tokenizer, tokenizer, manifest.task_tokens)
        self._for_texts = _tokenizer(Tokenizer, tokenizer, manifest.text_tokens)
        self._manifest = manifest
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._manifest.dimensions

    @property
    def token_dimensions(self) -> int:
        return self._manifest.token_dimensions

    @property
    def calibration(self) -> Calibration | None:
        return self._manifest.calibration

    def encode_task(self, task: str) -> EncodedTask:
        import numpy as np

        text = well_formed(task)
        encoding = self._for_tasks.encode(text)
        states, tokens, weights = self._run(encoding.ids)
        offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
        real = offsets[:, 1] > offsets[:, 0]
        masks = [np.ones(len(states), np.bool_)]
        spans = sentence_spans(text)
        if len(spans) > 1:
            inside = [(offsets[:, 0] >= start) & (offsets[:, 1] <= end) & real for start, end in spans]
            masks += [mask for mask in inside if mask.any()]
        shares = np.array(masks, np.float32)
        parts = _unit(shares @ states)
        token_shares = shares * weights
        return EncodedTask(
            parts=parts,
            tokens=tokens,
            weights=token_shares / token_shares.sum(axis=1, keepdims=True)
            if len(tokens)
            else np.zeros((len(parts), 0), np.float32),
            complete=not encoding.overflowing,
        )

    def encode_texts(self, texts: Sequence[str]) -> list[EncodedText]:
        import numpy as np

        # One at a time: on a CPU a batch is no faster, its activations stay resident, and padding would let
        # a text's vectors depend on its neighbours.
        encoded: list[EncodedText] = []
        for text in texts:
            states, tokens, _ = self._run(self._for_texts.encode(well_formed(text)).ids)
            kept = np.rint(tokens[: self._manifest.late_tokens] * INT8).astype(np.int8)
            encoded.append(EncodedText(_unit(states.mean(axis=0, keepdims=True))[0], kept))
        if len(texts) > 1:
            return_freed_memory()
        return encoded

    def _run(self, ids: list[int]) -> "tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]":
        import numpy as np

        given = np.array([ids], np.int64)
        outputs = self._model.run(self._outputs, {"input_ids": given, "attention_mask": np.ones_like(given)})
        if len(outputs) == 1:
            return outputs[0][0], np.zeros((0, 0), np.float32), np.ones(len(ids), np.float32)
        return outputs[0][0], outputs[1][0], outputs[2][0]


def load_bundle(folder: Path, *, sha256: str | None = None) -> BundleEncoder:
    """The encoder of a folder, after every file of it was checked against its hash.

    Args:
        sha256: The expected hash of the manifest; `None` trusts the folder as it is.

    Raises:
        ModelUnavailableError: A file is missing or is not the pinned one, or a library is missing.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        if sha256 is not None:
            _verify(folder / MANIFEST, hashlib.sha256(raw).hexdigest(), sha256)
        manifest = Manifest.model_validate(json.loads(raw))
        for file in (WEIGHTS, TOKENIZER):
            with (folder / file).open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
            _verify(folder / file, found, manifest.files.get(file, "not listed"))
        tokenizer = (folder / TOKENIZER).read_text(encoding="utf-8")
    except OSError as error:
        raise ModelUnavailableError(
            f"A file of the encoder in {str(folder)!r} cannot be read: {error}. Reinstall toolhone, "
            "or train or export this encoder again."
        ) from error
    except (ValueError, ValidationError, RecursionError) as error:
        raise ModelUnavailableError(
            f"{str(folder / MANIFEST)!r} does not describe an encoder: {error}. Export it again."
        ) from error
    weights = manifest.files[WEIGHTS][:12]
    name = f"{manifest.name}@{weights}/{manifest.text_tokens}/{manifest.late_tokens}"
    try:
        encoder = BundleEncoder(folder, manifest, tokenizer, name=name)
    except ImportError as error:
        raise ModelUnavailableError(
            f"The encoder needs a library that cannot be imported: {error}. Reinstall toolhone."
        ) from error
    except Exception as error:
        # onnxruntime has no common exception: whatever it cannot load is a model we cannot use.
        raise ModelUnavailableError(
            f"The encoder in {str(folder)!r} cannot be loaded: {error}. Export it again."
        ) from error
    return_freed_memory()
    return encoder


def load_default() -> BundleEncoder:
    """The encoder that comes with toolhone.

    Raises:
        ModelUnavailableError: A file is missing or is not the pinned one, or a library is missing.
    """
    return load_bundle(DEFAULT_FOLDER, sha256=DEFAULT_SHA256)


def return_freed_memory() -> None:
    """Give freed memory back to the system.

    glibc would keep about 50 MB after loading and another 50 MB while the tools are encoded. Takes a few
    milliseconds, so it is not done after a single text, which a question is.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _unit(rows: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _verify(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise ModelUnavailableError(
            f"{str(path)!r} is not the pinned file: its SHA-256 is {found}, not {expected}. "
            "Reinstall toolhone, or train or export this encoder again.",
            data={"path": str(path), "sha256": found, "expected": expected},
        )


def _tokenizer(factory: "_TokenizerFactory", text: str, longest: int) -> "_Tokenizer":
    tokenizer = factory.from_str(text)
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return tokenizer


class _Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...

    @property
    def offsets(self) -> list[tuple[int, int]]: ...

    @property
    def overflowing(self) -> Sequence[object]: ...


class _Tokenizer(Protocol):
    def encode(self, sequence: str) -> _Encoding: ...

    def no_padding(self) -> None: ...

    def enable_truncation(self, max_length: int) -> None: ...


class _TokenizerFactory(Protocol):
    def from_str(self, json: str) -> _Tokenizer: ...
