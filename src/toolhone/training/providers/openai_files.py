"""A dataset's files as the service takes them: checked, counted, and written in its format."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from toolhone.exceptions import DamagedStorageError, InvalidRequestError, StorageError
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import JsonObject
from toolhone.records.datasets import Split
from toolhone.training.costs import Workload

CountTokens = Callable[[str], int]

_MESSAGE_TOKENS = 4
_ROW_TOKENS = 3
"""What the chat format adds to a message and to a row."""

BOM = b"\xef\xbb\xbf"
"""Azure asks for it at the beginning of a file."""

SUFFIX_MAX = 64
AZURE_SUFFIX_MAX = 18


def rows_of(path: Path) -> Iterator[JsonObject]:
    """The rows of one file of a dataset; none if there is no such file.

    Raises:
        DamagedStorageError: A line is not a row.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise DamagedStorageError(
                        f"Line {number} of {str(path)!r} is not JSON: {error}."
                    ) from error
                if not is_object(row) or not is_array(row.get("messages")):
                    raise DamagedStorageError(f"Line {number} of {str(path)!r} has no 'messages'.")
                yield row
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"Cannot read {str(path)!r}: {error}.") from error


def count_row(row: Mapping[str, object], count: CountTokens) -> tuple[int, int]:
    """The tokens of what a row asks (with the tools offered), and of all of it."""
    *asked, answer = row["messages"] if is_array(row["messages"]) else []
    prompt = _ROW_TOKENS + sum(_count_message(message, count) for message in asked)
    if tools := row.get("tools"):
        prompt += count(minified(tools))
    return prompt, prompt + _count_message(answer, count)


def _count_message(message: object, count: CountTokens) -> int:
    if not is_object(message):
        return _MESSAGE_TOKENS
    tokens = _MESSAGE_TOKENS
    for name in ("content", "name", "tool_call_id", "tool_calls"):
        value = message.get(name)
        if value:
            tokens += count(value if isinstance(value, str) else minified(value))
    return tokens


def measure(dataset: Path, *, epochs: int, answer_tokens: int, count: CountTokens) -> tuple[Workload, int]:
    """What training on a dataset and judging it takes, and how many rows it trains on."""
    rows, training, prompts, tests = 0, 0, 0, 0
    for row in rows_of(dataset / f"{Split.TRAIN}.jsonl"):
        rows, training = rows + 1, training + count_row(row, count)[1]
    validation = sum(count_row(row, count)[1] for row in rows_of(dataset / f"{Split.VALIDATION}.jsonl"))
    for row in rows_of(dataset / f"{Split.TEST}.jsonl"):
        tests, prompts = tests + 1, prompts + count_row(row, count)[0]
    work = Workload(
        training=training,
        validation=validation,
        epochs=epochs,
        test_prompts=prompts,
        test_answers=tests * answer_tokens,
    )
    return work, rows
