"""Answers that were paid for, kept line by line, so that a restart does not ask again."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import anyio

from toolhone.exceptions import ProviderRefusedError, ToolhoneError
from toolhone.json_values import is_array, is_object
from toolhone.models import JsonObject, content_hash
from toolhone.training.paid_log import PaidLog
from toolhone.training.providers.openai_files import CountTokens, count_message, count_row
from toolhone.training.providers.provider import Answer, Question

logger = logging.getLogger(__name__)

_OF_THE_QUESTION = {400, 413, 422}
"""Statuses that blame the one request: too long, say, or filtered."""


class AnswerLog:
    """The answers of one model, in a file of the workspace. A question is known by its whole content."""

    def __init__(self, workspace: Path, service: str, model: str) -> None:
        name = content_hash([service, model]).removeprefix("sha256:")[:16]
        self._log = PaidLog(workspace / f"answers-{name}.jsonl")
        self._known: dict[str, Answer] = {}
        for line in self._log.lines():
            try:
                question = str(line.pop("question"))
                self._known[question] = Answer(**line)
            except (TypeError, KeyError):
                logger.warning("a line of a log of answers is left out: its question is asked again")

    def __enter__(self) -> "AnswerLog":
        self._log.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._log.__exit__()

    def get(self, question: Question) -> Answer | None:
        return self._known.get(_identity(question))

    def add(self, question: Question, answer: Answer) -> None:
        """Keep it; it outlives the death of the process on return.

        Raises:
            StorageError: No room on the disk, say.
        """
        identity = _identity(question)
        self._log.add({"question": identity, **asdict(answer)})
        self._known[identity] = answer


async def ask_all(
    questions: Sequence[Question],
    ask: Callable[[Question], Awaitable[JsonObject]],
    cost: Callable[[int, int], float],
    *,
    log: AnswerLog,
    concurrency: int,
    count: CountTokens,
) -> list[Answer]:
    """Ask what was not answered yet, a few at once; the answers in the order asked.

    A question that is rejected as it is becomes an answer with an error, which is not kept.

    Args:
        count: Counts tokens where the service does not.

    Raises:
        ProviderError: The service refuses to be asked at all, or is down. Answers under way are still kept.
    """
    answers: dict[int, Answer] = {}
    stopped: list[ToolhoneError] = []
    waiting = iter(enumerate(questions))

    async def work() -> None:
        for index, question in waiting:
            try:
                answers[index] = log.get(question) or await _ask(question, ask, cost, log, count)
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
    count: CountTokens,
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
    message, error = message_of(completion)
    prompt, completed = billed(completion, question, message, count)
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


def billed(
    completion: JsonObject, question: Question, message: JsonObject, count: CountTokens
) -> tuple[int, int]:
    """Tokens of the prompt and of the answer: as the service says, or as we count them where it does not."""
    usage = completion.get("usage")

    def told(name: str) -> int | None:
        tokens = usage.get(name) if is_object(usage) else None
        # Nothing is not what a request takes, and less than that would be taken off what the others cost.
        return tokens if isinstance(tokens, int) and tokens > 0 else None

    prompt, answer = told("prompt_tokens"), told("completion_tokens")
    return (
        count_row(question.messages, question.tools, count) if prompt is None else prompt,
        count_message(message, count) if answer is None else answer,
    )


def _identity(question: Question) -> str:
    return content_hash(asdict(question))
