"""What each caller was last told by each call, so that the same answer need not be told twice.

Every tool is looked at, read-only or not: that the answer is the same is true of both, and the text says
that the call ran. Only digests are kept, in memory, for as long as a result lives behind its handle.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from toolhone.json_values import encoded, minified
from toolhone.models import Json, ToolCall, canonical_json

HANDLE_TOKENS = 24
"""About what the line with the handle takes."""

_MOST = 1_024


@dataclass(slots=True)
class Answer:
    """One answer, by its digest."""

    digest: bytes
    told_at: float
    seconds: float = 0.0
    """Since it was told, at the last look."""
    handle: str | None = None
    kept_at: float = 0.0


class LastAnswers:
    """The last answer of every call, the longest unused forgotten first."""

    def __init__(self, *, clock: Callable[[], float], lifetime_seconds: float) -> None:
        self._clock = clock
        self._lifetime = lifetime_seconds
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def last(self, call: ToolCall, digest: bytes) -> Answer | None:
        """What this call answered before, if it is the same as now and was told not too long ago.

        The answer of now takes its place otherwise.
        """
        key, now = _key(call), self._clock()
        known = self._answers.get(key)
        if known is not None and known.digest == digest and now - known.told_at < self._lifetime:
            self._answers.move_to_end(key)
            known.seconds = max(0.0, now - known.told_at)
            if known.handle is not None and now - known.kept_at > self._lifetime / 2:
                known.handle = None
            return known
        self._answers[key] = Answer(digest, now)
        self._answers.move_to_end(key)
        while len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        return None

    def remember(self, call: ToolCall, handle: str | None) -> None:
        """Where the answer of now is kept, if it is."""
        if handle is not None:
            self.keeps(call, handle)

    def keeps(self, call: ToolCall, handle: str) -> None:
        """The answer of this call is behind this handle."""
        known = self._answers.get(_key(call))
        if known is not None and known.handle != handle:
            known.handle, known.kept_at = handle, self._clock()


def digest_of(value: Json) -> bytes:
    """What tells an answer from another."""
    return hashlib.sha256(encoded(value if isinstance(value, str) else minified(value))).digest()


def unchanged_since(answer: Answer) -> str:
    """What is said in place of an answer that was told before."""
    seconds = answer.seconds
    ago = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"Unchanged: the same answer as to the same call {ago} ago."


def _key(call: ToolCall) -> str:
    caller, wanted = call.caller, call.excerpt
    asked = [wanted.fields, wanted.limit, wanted.grep] if wanted is not None else None
    identity = [caller.principal, caller.client, caller.session, call.tool, call.arguments, asked]
    return hashlib.sha256(encoded(canonical_json(identity))).hexdigest()
