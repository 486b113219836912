"""Runs a model on onnxruntime: on every core for one text alone, on one core each for many at once."""

import importlib
import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

CROWDED_SECONDS = 0.1
"""After two runs at once the next ones are expected to come together too, for so long."""


class Model:
    """The weights of a file, loaded twice if they are asked for by many at once.

    Threads that share a run spin while they wait for each other: for one run that is faster, but it takes a
    third more time of the processor, and of cores that others need. Both ways give the same vectors but for
    the order of sums.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = monotonic) -> None:
        """Load the weights.

        Args:
            path: An ONNX file. By path, because onnxruntime would keep the weights of one given as bytes.
            clock: Seconds that only grow.

        Raises:
            ImportError: onnxruntime is not there.
        """
        self._path = path
        self._clock = clock
        self._runtime = cast("_Runtime", importlib.import_module("onnxruntime"))
        self._file = _identity(path)
        self._wide = self._session(None)
        self._lean: _Session | None = None
        self._loading = threading.Lock()
        self._lock = threading.Lock()
        self._running = 0
        self._crowded_until = float("-inf")

    @property
    def is_crowded(self) -> bool:
        """Whether a run would have one core, as of now."""
        return self._running > 0 or self._clock() < self._crowded_until

    def run(self, outputs: list[str], given: "dict[str, NDArray[np.int64]]") -> "list[NDArray[np.float32]]":
        with self._turn() as session:
            return session.run(outputs, given)

    @contextmanager
    def _turn(self) -> "Generator[_Session]":
        with self._lock:
            if self._running:
                self._crowded_until = self._clock() + CROWDED_SECONDS
            crowded = self.is_crowded
            self._running += 1
        try:
            yield self._one_core() if crowded else self._wide
        finally:
            with self._lock:
                self._running -= 1

    def _one_core(self) -> "_Session":
        with self._loading:
            if self._lean is None:
                self._lean = self._same_weights()
            return self._lean

    def _same_weights(self) -> "_Session":
        """The weights once more, or as they are loaded already where the file has gone or is another one."""
        try:
            if _identity(self._path) == self._file:
                return self._session(1)
            logger.warning("%s was replaced; many questions at once share the model as it was", self._path)
        except Exception:
            # onnxruntime has no common exception. Nothing is lost but time: the model is there.
            logger.warning("%s cannot be loaded a second time", self._path, exc_info=True)
        return self._wide

    def _session(self, threads: int | None) -> "_Session":
        options = self._runtime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        # The second thread of a run spins, which is a fifth faster than to be woken for each layer; it stops
        # with the run, so that it takes nothing from others in between.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # The arena keeps the memory of the largest batch ever seen: 340 MB after embedding 891 tools.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        return self._runtime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


class _Session(Protocol):
    def run(
        self, output_names: list[str], input_feed: "dict[str, NDArray[np.int64]]"
    ) -> "list[NDArray[np.float32]]": ...


class _SessionOptions(Protocol):
    enable_cpu_mem_arena: bool
    enable_mem_pattern: bool
    intra_op_num_threads: int

    def add_session_config_entry(self, key: str, value: str) -> None: ...


class _Runtime(Protocol):
    """What is used of onnxruntime, which is only partly typed."""

    def SessionOptions(self) -> _SessionOptions: ...

    def InferenceSession(self, model: str, options: _SessionOptions, *, providers: list[str]) -> _Session: ...
