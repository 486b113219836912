"""What a judge model costs: its price, if it has one, and the bound for a job."""

import ipaddress
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from toolhone.evaluation.scorers import JUDGE
from toolhone.records.datasets import Split
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.answer_scoring import Judge, questions_of
from toolhone.training.costs import PriceBook, service_of
from toolhone.training.providers.openai_files import rows_of

MODELS = 2
"""The tuned one and its base: each answer is judged."""

PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def price_of_judge(url: str, model: str, prices: PriceBook) -> Callable[[int, int], float] | None:
    """What so many tokens read and written cost at this endpoint; `None` if nobody can know.

    A model on this machine or in a private network costs nothing, unless the table names a price.
    """
    price = prices.price(service_of(url), model, trained=False)
    if price is not None:
        return partial(price.answer_usd, tuned=False)
    return _free if is_private(url) else None


def is_private(url: str) -> bool:
    """Whether a URL surely leads to this machine or into a private network, by the look of its host."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.endswith(PRIVATE_NAMES) or (host != "" and "." not in host)
    return not address.is_global


def judging_usd(judge: Judge, config: FinetuningConfig, dataset: Path) -> float:
    """An upper bound on what judging costs of all answers to the held-out rows in a dataset's folder.

    Raises:
        InvalidRequestError: A row has no answer to judge by.
        ProviderRefusedError: The price of the judge is not known.
    """
    if config.scorer != JUDGE:
        return 0.0
    questions = questions_of(list(rows_of(dataset, Split.TEST)))
    return MODELS * sum(judge.most_usd(question) for question in questions)


def _free(read: int, written: int) -> float:
    return 0.0
