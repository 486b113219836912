"""The formula that this project's seed describes, for the record: it scores a tool by its past use alone.

0.4 for the task's words among the words of past tasks, 0.3 for the success rate, a little for speed and for
recent use. Name and description are not looked at, and nothing in the seed ever records a use, so every tool
has the same score and the first ones registered are the answer, whatever the task is.
"""

from dataclasses import dataclass, field

from exchange import Request, Search, answer

IGNORED = {"a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on", "or"}


@dataclass
class Use:
    """What the seed keeps of a tool; these are the values a tool starts with."""

    count: int = 0
    success_rate: float = 1.0
    mean_ms: float = 0.0
    mean_tokens: float = 0.0
    words: set[str] = field(default_factory=set)
    days_idle: float = 30.0


def score(task: str, use: Use) -> float:
    words = {word.strip(".,!?;:") for word in task.lower().split()} - IGNORED
    known = 0.4 * len(words & use.words) / max(len(words), 1)
    fast = max(0.0, 1 - use.mean_ms / 10_000) + max(0.0, 1 - use.mean_tokens / 1_000)
    recent = 0.1 * max(0.0, 1 - use.days_idle / 30)
    return min(1.0, known + 0.3 * use.success_rate + (0.1 * fast if use.count else 0.0) + recent)


def prepare(request: Request) -> Search:
    uses = {tool["name"]: Use() for tool in request.tools}

    def search(query: str) -> list[str]:
        return sorted(uses, key=lambda name: -score(query, uses[name]))[: request.k]

    return search


answer(prepare)
