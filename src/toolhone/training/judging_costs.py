"""What it costs at most to have a judge model score the held-out answers of a job."""

from collections.abc import Callable
from pathlib import Path

from toolhone.evaluation.scorers import JUDGE
from toolhone.json_values import minified
from toolhone.records.datasets import Split
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.answer_scoring import questions_of
from toolhone.training.costs import Price
from toolhone.training.judge_model import INSTRUCTIONS
from toolhone.training.providers.openai_files import rows_of

WRITTEN = 1_000
"""Tokens of a verdict with its reason, and of what a model thinks before it. Endpoints are not told of a
limit: the parameter has two names, and each is refused by some."""

MODELS = 2
"""The tuned one and its base: each answer is judged."""

MARGIN = 1.5
"""By how much a judge may count more tokens than we do."""


def judging_usd(price: Price, count: Callable[[str], int], config: FinetuningConfig, dataset: Path) -> float:
    """An upper bound on what judging costs of all answers to the held-out rows in a dataset's folder.

    Raises:
        InvalidRequestError: A row has no answer to judge by.
    """
    if config.scorer != JUDGE:
        return 0.0
    instructions = count(INSTRUCTIONS)
    # The recorded answer is bounded by the room for one, as the one that is judged.
    questions = questions_of(list(rows_of(dataset, Split.TEST)))
    read = sum(
        instructions + count(minified(list(question.messages))) + 2 * question.max_tokens
        for question in questions
    )
    return MODELS * MARGIN * price.answer_usd(read, WRITTEN * len(questions), tuned=False)
