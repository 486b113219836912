"""Preference pairs: a good answer and a failed one to the same request. Pure.

Only rows that are trained on give the good answer, so no pair gives away what the test asks for. The request
is the same but for case and space: an answer to another request, however near, is not a worse answer to
this one.
"""

from collections.abc import Callable, Iterable, Iterator

from toolhone.datasets.chat import answer_begins
from toolhone.datasets.texts import answer_text, digest, exact_answer, request_text
from toolhone.records.datasets import Pair, Row


def pairs_of(
    train: Callable[[], Iterable[Row]], failures: Callable[[], Iterable[Row]]
) -> Iterator[tuple[Pair, str, str]]:
    """The pairs, with the ids of the good row and of the failed one; one for each failure at most.

    Both are gone through without being held in memory, failures twice. Of several good answers the one
    with the best score is taken, of equal ones the newest.
    """
    failed = {digest(request_text(row.messages)) for row in failures()}
    best: dict[bytes, Row] = {}
    for row in train() if failed else ():
        key = digest(request_text(row.messages))
        if key in failed and (key not in best or row.score >= best[key].score):
            best[key] = row
    for row in failures() if best else ():
        good = best.get(digest(request_text(row.messages)))
        if good is None or _same_answer(good, row):
            continue
        begins = answer_begins(good.messages)
        pair = Pair(
            group=good.group,
            request=good.messages[:begins],
            tools=good.tools,
            preferred=good.messages[begins:],
            rejected=row.messages[answer_begins(row.messages) :],
        )
        yield pair, good.row_id, row.row_id


def _same_answer(one: Row, other: Row) -> bool:
    exact = exact_answer(one.messages)
    if exact is not None:
        return exact == exact_answer(other.messages)
    return answer_text(one.messages) == answer_text(other.messages)
