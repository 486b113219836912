"""Which tokens of a conversation are learned: the assistant's answers, to their ends, and nothing else.

A template is asked where the answers stand, in the first of three ways that works for every row:

1. by its own `{% generation %}` markers;
2. by rendering the conversation up to an answer, as for generation, and through it: the difference is the
   answer. This holds only if neither text changes by what follows, which is checked for each row;
3. by the markers of the template that TRL has for training in its place.

A row is left out, with the reason, rather than learned wrongly: if the template drops a message, a tool or a
call, if no token ends the answer, if a token reaches over the border of an answer, where generation could
never go on, or if what was said spells out a special token of the model, which would be read as the token.
If no row is left the template is refused: nothing is ever trained on prompts.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import Json, JsonObject
from toolhone.training.local.conversations import Conversation
from toolhone.training.sources import required

IGNORED = -100
"""The label of a token that is not learned."""

_PROBE = Conversation(
    row_id="probe",
    messages=({"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}),
    targets=frozenset({1}),
)

_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


class AddedToken(Protocol):
    """A token that stands beside the vocabulary."""

    @property
    def content(self) -> str: ...

    @property
    def special(self) -> bool: ...


class ChatTokenizer(Protocol):
    """What is used of a tokenizer of transformers."""

    @property
    def chat_template(self) -> str | dict[str, str] | None: ...

    @property
    def special_tokens_map(self) -> Mapping[str, str]: ...

    @property
    def all_special_ids(self) -> list[int]: ...

    @property
    def all_special_tokens(self) -> list[str]: ...

    @property
    def added_tokens_decoder(self) -> Mapping[int, "AddedToken"]: ...

    def get_added_vocab(self) -> dict[str, int]: ...

    def get_chat_template(
        self, chat_template: str | None = None, tools: list[JsonObject] | None = None
    ) -> str: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...


class UnmarkableError(Exception):
    """The answers of this row cannot be told from its prompts for sure."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row as the trainer takes it."""

    row_id: str
    input_ids: list[int]
    labels: list[int]

    @property
    def learned(self) -> int:
        """How many of its tokens are learned."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What became of the rows."""

    examples: Sequence[Example]
    way: str
    """How the answers were found: `markers`, `difference` or `trl`."""
    template: str | None
    """The template that was used in place of the model's own."""
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many rows were left out, by reason."""


Spans = list[tuple[int, int]]
Rendering = Callable[[Conversation], tuple[str, Spans]]


def mark(tokenizer: ChatTokenizer, rows: Sequence[Conversation], *, longest: int) -> Marked:
    """Tokens and labels of all rows that can be learned.

    Args:
        longest: Rows of more tokens are left out whole; an answer that is cut off would be learned so.

    Raises:
        InvalidRequestError: The template does not show for any row where the answers are.
    """
    if not tokenizer.chat_template:
        raise InvalidRequestError(
            "The model has no chat template, so it cannot be told where an answer begins. "
            "Take the instruction-tuned variant of the model, or add a `chat_template.jinja` to its folder."
        )
    usable, unusable = _plainly_said(tokenizer, rows)
    if unusable and not usable:
        raise InvalidRequestError(f"No row can be learned: {_counted(unusable)}. Take another dataset.")
    best: Marked | None = None
    for way, template, render in _ways(tokenizer):
        tried = _mark_all(tokenizer, usable, render, way=way, template=template, longest=longest)
        if best is None or len(tried.examples) > len(best.examples):
            best = tried
        if len(best.examples) == len(usable):
            break
    dropped = {**unusable, **(best.dropped if best is not None else {})}
    if best is None or not best.examples:
        raise InvalidRequestError(
            "The chat template of the model cannot be trained with, as it does not show for any row which "
            f"tokens are the assistant's: {_counted(dropped) or 'there are no rows'}. Take another base "
            "model, or give its template {% generation %} markers around the assistant's answers."
        )
    return replace(best, dropped=dropped)


def _counted(dropped: Mapping[str, int]) -> str:
    return "; ".join(f"{why} ({count} rows)" for why, count in dropped.items())


def turn_ends(tokenizer: ChatTokenizer) -> list[int]:
    """The tokens with which the template ends an answer; none if it cannot be told."""
    if not tokenizer.chat_template:
        return []
    special = _special(tokenizer)
    for _, _, render in _ways(tokenizer):
        try:
            example = _example(tokenizer, _PROBE, render, special)
        except UnmarkableError:
            continue
        return [next(token for token in reversed(example.labels) if token in special)]
    return []


def spelled_out(
    tokenizer: ChatTokenizer, messages: Sequence[JsonObject], tools: Sequence[JsonObject]
) -> str | None:
    """A special token that stands in the messages or tools as text; the model would read it as the token.

    Tokens that are merely added, like `<think>` or `<tool_call>` in many models, may be said.
    """
    special = {*tokenizer.all_special_tokens} | {
        token.content for token in tokenizer.added_tokens_decoder.values() if token.special
    }
    said = minified(cast("Json", [*messages, *tools]))
    return next((token for token in sorted(special) if token in said), None)


def _plainly_said(
    tokenizer: ChatTokenizer, rows: Sequence[Conversation]
) -> tuple[list[Conversation], dict[str, int]]:
    """The rows without special tokens in their texts, and how many others there are."""
    usable: list[Conversation] = []
    dropped: Counter[str] = Counter()
    for row in rows:
        token = spelled_out(tokenizer, row.messages, row.tools)
        if token is None:
            usable.append(row)
        else:
            dropped[f"the special token {token!r} of the model is a part of what was said"] += 1
    return usable, dict(dropped)


def _ways(tokenizer: ChatTokenizer) -> Iterator[tuple[str, str | None, Rendering]]:
    def own(row: Conversation) -> str:
        return tokenizer.get_chat_template(tools=list(row.tools) or None)

    templates = tokenizer.chat_template
    texts = list(templates.values()) if isinstance(templates, dict) else [templates or ""]
    if all(_MARKER.search(text) for text in texts) and _marks_answers_only(tokenizer, own(_PROBE)):
        yield "markers", None, lambda row: _by_markers(tokenizer, row, own(row))
    yield "difference", None, lambda row: _by_difference(tokenizer, row, own(row))
    try:
        # Importing it takes seconds, so only now.
        patched = required("trl.chat_template_utils").get_training_chat_template(tokenizer)
    except (ValueError, TypeError, KeyError):
        # TRL has none for this template.
        patched = None
    if patched is not None:
        template = str(patched)
        yield "trl", template, lambda row: _by_markers(tokenizer, row, template)


def _marks_answers_only(tokenizer: ChatTokenizer, template: str) -> bool:
    """Whether the markers leave the prompts out: a template may also set them around a whole conversation."""
    try:
        text, spans = _by_markers(tokenizer, _PROBE, template)
    except UnmarkableError:
        return False
    return len(spans) == 1 and "question" not in text[spans[0][0] : spans[0][1]]


def _mark_all(
    tokenizer: ChatTokenizer,
    rows: Sequence[Conversation],
    render: Rendering,
    *,
    way: str,
    template: str | None,
    longest: int,
) -> Marked:
    special = _special(tokenizer)
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    for row in rows:
        try:
            example = _example(tokenizer, row, render, special)
        except UnmarkableError as exc:
            dropped[str(exc)] += 1
            continue
        if len(example.input_ids) > longest:
            dropped[f"longer than {longest} tokens"] += 1
            continue
        examples.append(example)
    return Marked(examples=examples, way=way, template=template, dropped=dict(dropped))


def _special(tokenizer: ChatTokenizer) -> frozenset[int]:
    return frozenset(tokenizer.all_special_ids) | frozenset(tokenizer.get_added_vocab().values())


def _example(
    tokenizer: ChatTokenizer, row: Conversation, render: Rendering, special: frozenset[int]
) -> Example:
    answers = [place for place, message in enumerate(row.messages) if message["role"] == "assistant"]
    if not row.targets:
        raise UnmarkableError("no answer to learn from")
    text, spans = render(row)
    if len(spans) != len(answers):
        raise UnmarkableError("the template does not mark every answer")
    _refuse_omissions(row, text, dict(zip(answers, spans, strict=True)))
    tokens = tokenizer.encode(text, add_special_tokens=False)
    labels = [IGNORED] * len(tokens)
    for place, (start, end) in zip(answers, spans, strict=True):
        if place not in row.targets:
            continue
        # Generation ends with the token that ends the answer: a newline after it is never written.
        end = len(text[:end].rstrip())
        first, last = _clean_cut(tokenizer, text, start, tokens), _clean_cut(tokenizer, text, end, tokens)
        labels[first:last] = tokens[first:last]
        if last <= first or tokens[last - 1] not in special:
            raise UnmarkableError("no special token ends the answer, so the model would not learn to stop")
    return Example(row.row_id, tokens, labels)


def _clean_cut(tokenizer: ChatTokenizer, text: str, place: int, tokens: list[int]) -> int:
    """How many tokens come before this place. What is generated goes on from just those."""
    before = tokenizer.encode(text[:place], add_special_tokens=False)
    if tokens[: len(before)] != before:
        raise UnmarkableError("a token reaches over the border of an answer")
    return len(before)


def _refuse_omissions(row: Conversation, text: str, spans: Mapping[int, tuple[int, int]]) -> None:
    """Templates leave out what they do not know, silently."""
    for place, message in enumerate(row.messages):
        start, end = spans.get(place, (0, len(text)))
        part = text[start:end]
        if str(message.get("content") or "").strip() not in part:
            raise UnmarkableError(
                f"the template changes or leaves out a message of the role {message['role']!r}"
            )
        calls = message.get("tool_calls")
        for call in calls if is_array(calls) else []:
            function = call.get("function") if is_object(call) else None
            if is_object(function) and str(function.get("name")) not in part:
                raise UnmarkableError("the template leaves out tool calls")
    for tool in row.tools:
        function = tool.get("function")
        name = function.get("name") if is_object(function) else tool.get("name")
        if str(name) not in text:
            raise UnmarkableError("the template leaves out the tools")


def _by_markers(tokenizer: ChatTokenizer, row: Conversation, template: str) -> tuple[str, Spans]:
    utilities = required("transformers.utils.chat_template_utils")
    texts, indices = _rendered(
        lambda: utilities.render_jinja_template(
            conversations=[list(row.messages)],
            tools=list(row.tools) or None,
            chat_template=template,
            return_assistant_tokens_mask=True,
            **tokenizer.special_tokens_map,
        )
    )
    return str(texts[0]), [(int(start), int(end)) for start, end in indices[0]]


def _by_difference(tokenizer: ChatTokenizer, row: Conversation, template: str) -> tuple[str, Spans]:
    utilities = required("transformers.utils.chat_template_utils")

    def render(count: int, *, asking: bool) -> str:
        texts, _ = _rendered(
            lambda: utilities.render_jinja_template(
                conversations=[list(row.messages[:count])],
                tools=list(row.tools) or None,
                chat_template=template,
                add_generation_prompt=asking,
                **tokenizer.special_tokens_map,
            )
        )
        return str(texts[0])

    text = render(len(row.messages), asking=False)
    spans: Spans = []
    for place, message in enumerate(row.messages):
        if message["role"] != "assistant":
            continue
        before, through = render(place, asking=True), render(place + 1, asking=False)
        if not (text.startswith(through) and through.startswith(before)):
            raise UnmarkableError("the template writes a turn differently, depending on what follows")
        spans.append((len(before), len(through)))
    return text, spans


def _rendered(render: Callable[[], Any]) -> tuple[Any, Any]:
    errors = required("jinja2").exceptions
    try:
        return cast("tuple[Any, Any]", render())
    except (errors.TemplateError, TypeError, ValueError) as exc:
        raise UnmarkableError(f"the template refuses it: {str(exc)[:200]}") from exc
