"""Answers that were paid for, kept line by line, so that a restart does not ask again."""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

from toolhone.exceptions import StorageError
from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject, canonical_json, content_hash
from toolhone.training.providers.provider import Answer, Question

logger = logging.getLogger(__name__)


class AnswerLog:
    """The answers of one model, in a file of the workspace. A question is known by its whole content."""

    def __init__(self, workspace: Path, service: str, model: str) -> None:
        name = content_hash([service, model]).removeprefix("sha256:")[:16]
        self._path = workspace / f"answers-{name}.jsonl"
        self._known: dict[str, Answer] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> "AnswerLog":
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path.open("ab+", opener=_private)
            self._file.seek(0)
            written = self._file.read()
            if written and not written.endswith(b"\n"):
                # The process died within a line: what comes next begins a new one.
                self._file.write(b"\n")
        except OSError as error:
            self.__exit__()
            raise StorageError(f"Cannot use {str(self._path)!r}: {error}.") from error
        for line in written.splitlines():
            self._read(line)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, line: bytes) -> None:
        try:
            kept: Json = json.loads(line)
            if is_object(kept):
                self._known[str(kept.pop("question"))] = Answer(**kept)
        except (ValueError, TypeError, KeyError):
            logger.warning("a torn line in %s is left out: its question is asked again", self._path.name)

    def get(self, question: Question) -> Answer | None:
        return self._known.get(_identity(question))

    def add(self, question: Question, answer: Answer) -> None:
        """Keep it; it outlives the death of the process on return.

        Raises:
            StorageError: No room on the disk, say.
        """
        if self._file is None:
            raise StorageError(f"{str(self._path)!r} is not open.")
        identity = _identity(question)
        line = canonical_json({"question": identity, **asdict(answer)})
        try:
            self._file.write(line.encode("utf-8", "surrogatepass") + b"\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"Cannot write {str(self._path)!r}: {error}.") from error
        self._known[identity] = answer


def message_of(completion: JsonObject) -> JsonObject:
    """The assistant's message of a chat completion.

    Raises:
        ValueError: There is none.
    """
    choices = completion.get("choices")
    first = cast("Sequence[Json]", choices)[0] if isinstance(choices, list) and choices else None
    said = first.get("message") if is_object(first) else None
    if not is_object(said):
        raise ValueError("the answer has no message")
    message: JsonObject = {"role": "assistant", "content": said.get("content")}
    if message["content"] is None and said.get("refusal"):
        message["content"] = said["refusal"]
    if said.get("tool_calls"):
        message["tool_calls"] = said["tool_calls"]
    return message


def usage_of(completion: JsonObject) -> tuple[int, int]:
    """Tokens of the prompt and of the answer, as billed; 0 where the service does not say."""
    usage = completion.get("usage")
    counts = [usage.get(name) if is_object(usage) else 0 for name in ("prompt_tokens", "completion_tokens")]
    prompt, answer = (count if isinstance(count, int) else 0 for count in counts)
    return prompt, answer


def _identity(question: Question) -> str:
    return content_hash(asdict(question))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
