"""Answers that were paid for, kept line by line, so that a restart does not ask again."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import anyio

from toolhone.exceptions import ProviderRefusedError, StorageError, ToolhoneError
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject, canonical_json, content_hash
from toolhone.training.providers.openai_files import open_private
from toolhone.training.providers.provider import Answer, Question

logger = logging.getLogger(__name__)

_OF_THE_QUESTION = {400, 413, 422}
"""Statuses that blame the one request: too long, say, or filtered."""


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
            self._file = open_private(self._path, "ab+")
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
                question = str(kept.pop("question"))
                self._known[question] = Answer(**kept)
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


async def ask_all(
    questions: Sequence[Question],
    ask: Callable[[Question], Awaitable[JsonObject]],
    cost: Callable[[int, int], float],
    *,
    log: AnswerLog,
    concurrency: int,
) -> list[Answer]:
    """Ask what was not answered yet, a few at once; the answers in the order asked.

    A question that is rejected as it is becomes an answer with an error, which is not kept.

    Raises:
        ProviderError: The service refuses to be asked at all, or is down. Answers under way are still kept.
    """
    answers: dict[int, Answer] = {}
    stopped: list[ToolhoneError] = []
    waiting = iter(enumerate(questions))

    async def work() -> None:
        for index, question in waiting:
            try:
                answers[index] = log.get(question) or await _ask(question, ask, cost, log)
            except ToolhoneError as error:
                stopped.append(error)
            if stopped:
                return

    async with anyio.create_task_group() as tasks:
        for _ in range(min(concurrency, len(questions))):
            tasks.start_soon(work)
    if stopped:
        raise stopped[0]
    if errors := [answer.error for answer in answers.values() if answer.error]:
        if len(errors) == len(questions):
            raise ProviderRefusedError(f"None of {len(questions)} questions was answered. First: {errors[0]}")
        logger.warning("%d of %d questions were not answered", len(errors), len(questions))
    return [answers[index] for index in range(len(questions))]


async def _ask(
    question: Question,
    ask: Callable[[Question], Awaitable[JsonObject]],
    cost: Callable[[int, int], float],
    log: AnswerLog,
) -> Answer:
    started = time.perf_counter()
    try:
        completion = await ask(question)
    except ProviderRefusedError as error:
        if error.data.get("status") not in _OF_THE_QUESTION:
            raise
        return Answer(
            row_id=question.row_id,
            message={"role": "assistant", "content": None},
            latency_ms=(time.perf_counter() - started) * 1_000,
            prompt_tokens=0,
            completion_tokens=0,
            error=error.message,
        )
    prompt, completed = usage_of(completion)
    message, error = message_of(completion)
    answer = Answer(
        row_id=question.row_id,
        message=message,
        latency_ms=(time.perf_counter() - started) * 1_000,
        prompt_tokens=prompt,
        completion_tokens=completed,
        cost_usd=cost(prompt, completed),
        error=error,
    )
    log.add(question, answer)
    return answer


def message_of(completion: JsonObject) -> tuple[JsonObject, str | None]:
    """The assistant's message of a chat completion, and what is wrong with it."""
    choices = completion.get("choices")
    first = choices[0] if is_array(choices) and choices else None
    said = first.get("message") if is_object(first) else None
    if not is_object(said):
        return {"role": "assistant", "content": None}, "The service's answer has no message."
    message: JsonObject = {"role": "assistant", "content": said.get("content") or said.get("refusal")}
    if calls := said.get("tool_calls"):
        message["tool_calls"] = calls
    return message, None


def usage_of(completion: JsonObject) -> tuple[int, int]:
    """Tokens of the prompt and of the answer, as billed; 0 where the service does not say."""
    usage = completion.get("usage")
    counts = [usage.get(name) if is_object(usage) else 0 for name in ("prompt_tokens", "completion_tokens")]
    # Less than nothing would be taken off what the others cost.
    prompt, answer = (max(count, 0) if isinstance(count, int) else 0 for count in counts)
    return prompt, answer


def _identity(question: Question) -> str:
    return content_hash(asdict(question))
