"""Exactly the assistant's tokens are learned, whatever the template; where that is not sure, nothing is."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.training.local.conversations import Conversation, conversation
from toolhone.training.local.masks import IGNORED, Marked, mark, turn_ends

SCAN: JsonObject = {
    "type": "function",
    "function": {"name": "scan", "description": "Scans.", "parameters": {"type": "object", "properties": {}}},
}
CALL: JsonObject = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "scan", "arguments": '{"path": "app.py"}'},
}

PLAIN = """\
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"""
"""ChatML without markers, tools or calls, as many small models have it."""


@pytest.fixture
def tokenizer(tiny_tokenizer: Callable[[], Any]) -> Any:
    return tiny_tokenizer()


def talk(*, weight: int = 1) -> Conversation:
    return conversation(
        "talk",
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "first answer", "weight": weight},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "second answer"},
        ],
        (),
    )


def with_tools() -> Conversation:
    return conversation(
        "tools",
        [
            {"role": "user", "content": "scan app.py"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "clean"},
            {"role": "assistant", "content": "It is clean."},
        ],
        (SCAN,),
    )


def learned(tokenizer: Any, marked: Marked) -> list[str]:
    """The learned pieces of the first row, in order."""
    pieces: list[list[int]] = []
    before = IGNORED
    for token, label in zip(marked.examples[0].input_ids, marked.examples[0].labels, strict=True):
        if label != IGNORED:
            assert label == token
            if before == IGNORED:
                pieces.append([])
            pieces[-1].append(token)
        before = label
    return [tokenizer.decode(piece) for piece in pieces]


def test_markers_show_every_answer_and_its_end(tokenizer: Any) -> None:
    marked = mark(tokenizer, [talk()], longest=1000)

    assert marked.way == "markers"
    assert learned(tokenizer, marked) == ["first answer<|im_end|>", "second answer<|im_end|>"]
    whole = tokenizer.decode(marked.examples[0].input_ids)
    assert whole.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\none<|im_end|>\n")


def test_without_markers_the_difference_shows_them(tokenizer: Any) -> None:
    tokenizer.chat_template = PLAIN

    marked = mark(tokenizer, [talk()], longest=1000)

    assert (marked.way, marked.template) == ("difference", None)
    assert learned(tokenizer, marked) == ["first answer<|im_end|>", "second answer<|im_end|>"]


def test_what_is_learned_follows_on_what_is_asked(tokenizer: Any) -> None:
    """The tokens before an answer are those of the prompt at generation, one by one."""
    for template in (tokenizer.chat_template, PLAIN):
        tokenizer.chat_template = template
        row = talk()
        example = mark(tokenizer, [row], longest=1000).examples[0]
        prompt = tokenizer.apply_chat_template(
            list(row.messages[:-1]), add_generation_prompt=True, tokenize=False
        )
        tokens = tokenizer.encode(prompt, add_special_tokens=False)
        assert example.input_ids[: len(tokens)] == tokens
        assert all(label != IGNORED for label in example.labels[len(tokens) : len(tokens) + 3])


def test_a_turn_of_weight_zero_is_read_but_not_learned(tokenizer: Any) -> None:
    marked = mark(tokenizer, [talk(weight=0)], longest=1000)

    assert learned(tokenizer, marked) == ["second answer<|im_end|>"]
    assert "first answer" in tokenizer.decode(marked.examples[0].input_ids)


def test_tool_calls_are_learned_and_their_results_are_not(tokenizer: Any) -> None:
    marked = mark(tokenizer, [with_tools()], longest=1000)

    call, final = learned(tokenizer, marked)
    assert call == '<tool_call>{"name": "scan", "arguments": {"path": "app.py"}}</tool_call><|im_end|>'
    assert final == "It is clean.<|im_end|>"


def test_the_template_that_trl_has_takes_the_place_of_one_that_rewrites_the_past(tokenizer: Any) -> None:
    """Qwen3 drops the thoughts of earlier turns, so no difference can be told; TRL's variant keeps them."""
    trl: Any = importlib.import_module("trl")
    qwen3 = Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja"
    tokenizer.chat_template = qwen3.read_text(encoding="utf-8")

    marked = mark(tokenizer, [with_tools()], longest=1000)

    assert marked.way == "trl"
    assert marked.template is not None
    call, final = learned(tokenizer, marked)
    assert '"arguments": {"path": "app.py"}' in call
    assert final.endswith("It is clean.<|im_end|>")
    assert "clean</tool_response>" not in call + final


@pytest.mark.parametrize(
    ("template", "row", "why"),
    [
        (PLAIN, with_tools(), "leaves out tool calls"),
        ("{{ raise_exception('No system message') }}", talk(), "No system message"),
        (PLAIN.replace("message.content", "'?'"), talk(), "changes or leaves out a message"),
        (PLAIN.replace("<|im_end|>", ""), talk(), "no special token ends the answer"),
        (
            PLAIN.replace("+ message.role", "+ message.role ~ (messages | length)"),
            talk(),
            "depending on what follows",
        ),
    ],
)
def test_templates_that_do_not_show_the_answers_are_refused(
    tokenizer: Any, template: str, row: Conversation, why: str
) -> None:
    tokenizer.chat_template = template

    with pytest.raises(InvalidRequestError, match="cannot be trained with") as refused:
        mark(tokenizer, [row], longest=1000)

    assert why in refused.value.message


def test_markers_around_the_prompts_too_are_not_believed(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% generation %}" + PLAIN + "{% endgeneration %}"
    row = conversation(
        "r1", [{"role": "user", "content": "Say a."}, {"role": "assistant", "content": "a"}], ()
    )

    marked = mark(tokenizer, [row], longest=1000)

    assert marked.way == "difference"
    assert all("Say" not in piece for piece in learned(tokenizer, marked))


def test_no_template_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = None

    with pytest.raises(InvalidRequestError, match="no chat template"):
        mark(tokenizer, [talk()], longest=1000)


def test_a_border_within_a_token_is_refused(tokenizer: Any) -> None:
    """`scan` is one token: a prompt that ends with `sc` is never continued so at generation."""
    tokenizer.chat_template = (
        "{%- for message in messages %}{% if message.role == 'assistant' %}{% generation %}"
        "{{ message.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message.content }}{% endif %}"
        "{%- endfor %}"
    )
    row = conversation(
        "split", [{"role": "user", "content": "sc"}, {"role": "assistant", "content": "an"}], ()
    )
    assert len(tokenizer.encode("scan")) == 1

    with pytest.raises(InvalidRequestError, match="reaches over the border"):
        mark(tokenizer, [row], longest=1000)


def test_long_rows_are_left_out_whole_and_counted(tokenizer: Any) -> None:
    long = conversation(
        "long", [{"role": "user", "content": "x " * 400}, {"role": "assistant", "content": "y"}], ()
    )

    marked = mark(tokenizer, [talk(), long], longest=200)

    assert [example.row_id for example in marked.examples] == ["talk"]
    assert dict(marked.dropped) == {"longer than 200 tokens": 1}


def test_rows_without_anything_to_learn_are_left_out(tokenizer: Any) -> None:
    nothing = conversation(
        "nothing",
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}],
        (),
    )

    marked = mark(tokenizer, [talk(), nothing], longest=1000)

    assert dict(marked.dropped) == {"no answer to learn from": 1}


SPELLED_OUT = (
    [{"role": "user", "content": "What is <|im_end|>?"}, {"role": "assistant", "content": "An end."}],
    [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "Gone<|im_end|>\n<|im_start|>"}],
    [
        {"role": "user", "content": "Go."},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "function": {"name": "scan", "arguments": '{"path": "a<|im_start|>b"}'}}
            ],
        },
    ],
)


@pytest.mark.parametrize("messages", SPELLED_OUT)
def test_rows_that_spell_a_special_token_out_are_left_out_and_counted(
    tokenizer: Any, messages: list[JsonObject]
) -> None:
    marked = mark(tokenizer, [talk(), conversation("spelled", messages, ())], longest=1000)

    assert [example.row_id for example in marked.examples] == ["talk"]
    ((why, count),) = marked.dropped.items()
    assert "is a part of what was said" in why and count == 1


def test_tokens_that_were_merely_added_may_be_said(tokenizer: Any) -> None:
    tokenizer.add_tokens(["<think>"])
    row = conversation(
        "r", [{"role": "user", "content": "<think>?"}, {"role": "assistant", "content": "Yes."}], ()
    )

    assert len(mark(tokenizer, [row], longest=1000).examples) == 1


def test_a_training_of_nothing_but_special_tokens_is_refused(tokenizer: Any) -> None:
    rows = [conversation("spelled", messages, ()) for messages in SPELLED_OUT]

    with pytest.raises(InvalidRequestError, match="is a part of what was said"):
        mark(tokenizer, rows, longest=1000)


def test_the_end_of_a_turn_is_known_for_generation(tokenizer: Any) -> None:
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")

    assert turn_ends(tokenizer) == [end]
    tokenizer.chat_template = PLAIN
    assert turn_ends(tokenizer) == [end]
