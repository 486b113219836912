"""A dataset's files as the service takes them: checked, counted, and written in its format."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolhone.datasets.checks import LEAST_ROWS, check_chat_lines
from toolhone.datasets.formats import chat_lines, write_chat
from toolhone.exceptions import DamagedStorageError, InvalidRequestError, StorageError
from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row, Split
from toolhone.records.jobs import FinetuningConfig
from toolhone.records.row_json import read_lines, row_from
from toolhone.training.answer_scoring import questions_of
from toolhone.training.costs import Workload

CountTokens = Callable[[str], int]

_MESSAGE_TOKENS = 4
_ROW_TOKENS = 3
"""What the chat format adds to a message and to a row."""

_SUFFIX = 64
_AZURE_SUFFIX = 18

_SHOWN = 5
"""Problems that are named in a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A dataset that the service would take."""

    work: Workload
    rows: int
    """That are trained on."""
    warnings: tuple[str, ...]


def measure(dataset: Path, *, azure: bool, epochs: int, count: CountTokens) -> Measured:
    """Check a dataset by the service's rules, and count what training on it and judging it takes.

    Raises:
        InvalidRequestError: The service would refuse a file.
        DamagedStorageError: A file is not one of a dataset.
    """
    warnings: list[str] = []
    counted: dict[Split, list[int]] = {}
    for split in (Split.TRAIN, Split.VALIDATION):
        counted[split] = [count_row(row.messages, row.tools, count) for row in rows_of(dataset, split)]
        if split is Split.TRAIN or counted[split]:
            warnings += _check(dataset, split, azure, count)
    training, validation = counted[Split.TRAIN], counted[Split.VALIDATION]
    # The test file is never sent. What is asked of it is what the gate will ask: a question for each turn,
    # and room for an answer as long as it allows.
    questions = questions_of(list(rows_of(dataset, Split.TEST)))
    work = Workload(
        training=sum(training),
        validation=sum(validation),
        epochs=epochs,
        test_prompts=sum(count_row(question.messages, question.tools, count) for question in questions),
        test_answers=sum(question.max_tokens for question in questions),
    )
    return Measured(work=work, rows=len(training), warnings=tuple(warnings))


def rows_of(dataset: Path, split: Split) -> Iterator[Row]:
    """The rows of one split; none if there is no such file.

    Raises:
        DamagedStorageError: A line is not a row.
    """
    path = dataset / f"{split}.jsonl"
    try:
        with path.open("rb") as file:
            yield from read_lines(file, row_from)
    except FileNotFoundError:
        return
    except (ValueError, TypeError) as error:
        raise DamagedStorageError(f"{str(path)!r} is no file of a dataset: {error}.") from error


def write_training_file(dataset: Path, split: Split, target: Path, azure: bool) -> None:
    """Write a split in the format of OpenAI's chat fine-tuning, in place of what is there.

    Raises:
        StorageError: No room on the disk, say.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.unlink(missing_ok=True)
        write_chat(rows_of(dataset, split), target, bom=azure)
    except OSError as error:
        raise StorageError(f"Cannot write {str(target)!r}: {error}. It was not sent.") from error


def _check(dataset: Path, split: Split, azure: bool, count: CountTokens) -> list[str]:
    """What a person should know of a file; raises if the service would refuse it."""
    lines = chat_lines(rows_of(dataset, split), bom=azure)
    least = LEAST_ROWS if split is Split.TRAIN else 1
    problems = check_chat_lines(lines, count_tokens=count, bom=azure, least=least)
    if fatal := [str(problem) for problem in problems if problem.fatal]:
        more = f"; and {len(fatal) - _SHOWN} more" if len(fatal) > _SHOWN else ""
        raise InvalidRequestError(
            f"The {split} file would be refused: {'; '.join(fatal[:_SHOWN])}{more}. Nothing was sent. "
            "Prepare another dataset; `toolhone datasets check` shows all of it.",
            data={"problems": fatal},
        )
    return [f"The {split} file: {problem}." for problem in problems]


def count_row(messages: Sequence[JsonObject], tools: Sequence[JsonObject], count: CountTokens) -> int:
    """The tokens of messages, with the tools offered."""
    offered = count(minified(list(tools))) if tools else 0
    return _ROW_TOKENS + offered + sum(count_message(message, count) for message in messages)


def count_message(message: Mapping[str, Json], count: CountTokens) -> int:
    """The tokens of one message."""
    tokens = _MESSAGE_TOKENS
    for name in ("content", "name", "tool_call_id", "tool_calls"):
        if value := message.get(name):
            tokens += count(value if isinstance(value, str) else minified(value))
    return tokens


def suffix_of(config: FinetuningConfig, *, azure: bool) -> str:
    """What the tuned model's name ends with. Azure takes fewer characters, and no dots."""
    suffix = f"{config.category}-{config.model_version}"
    if azure:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", suffix)[:_AZURE_SUFFIX].strip("-_")
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", suffix)[:_SUFFIX].strip("-_.")
