"""Held-out requests are answered in order, a few at once, and no answer is paid for twice."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from toolhone.exceptions import ProviderRefusedError, ProviderUnavailableError, StorageError
from toolhone.models import JsonObject
from toolhone.training.costs import load_prices
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.openai_answers import billed
from toolhone.training.providers.provider import Question

if TYPE_CHECKING:
    from providers.conftest import Make
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"
TOOL: JsonObject = {"type": "function", "function": {"name": "scan"}}


def questions(count: int, **more: Any) -> list[Question]:
    return [
        Question(row_id=f"row-{number}", messages=({"role": "user", "content": f"scan {number}"},), **more)
        for number in range(count)
    ]


async def test_answers_come_in_the_order_asked(provider: OpenAIProvider, tmp_path: Path) -> None:
    answers = await provider.answer(MODEL, None, questions(30), tmp_path)
    assert [answer.row_id for answer in answers] == [f"row-{number}" for number in range(30)]
    assert [answer.message["content"] for answer in answers] == [
        f"{MODEL} heard scan {number}" for number in range(30)
    ]


async def test_a_base_model_costs_its_own_price(provider: OpenAIProvider, tmp_path: Path) -> None:
    (answer,) = await provider.answer(MODEL, None, questions(1), tmp_path)
    assert answer.cost_usd == pytest.approx(
        (answer.prompt_tokens * 0.4 + answer.completion_tokens * 1.6) / 1_000_000
    )


async def test_they_are_asked_greedily_with_their_tools(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "scan", "arguments": "{}"}}
    openai_api.say = lambda model, messages, tools: {"tool_calls": [call]}
    (answer,) = await provider.answer(MODEL, None, questions(1, tools=(TOOL,), max_tokens=99), tmp_path)
    (asked,) = openai_api.asked
    assert (asked["temperature"], asked["max_tokens"], asked["tools"]) == (0, 99, [TOOL])
    assert answer.message == {"role": "assistant", "content": None, "tool_calls": [call]}


async def test_a_restart_pays_only_for_what_is_missing(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    first = await make().answer(MODEL, None, questions(5), tmp_path)
    again = await make().answer(MODEL, None, questions(8), tmp_path)
    assert again[:5] == first
    assert len(openai_api.asked) == 8


def cut_off(workspace: Path, size: int) -> None:
    (log,) = workspace.glob("answers-*.jsonl")
    log.write_bytes(log.read_bytes()[:-size])


async def test_a_line_that_a_kill_cut_off_is_asked_again_and_spoils_nothing(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    await make(concurrency=1).answer(MODEL, None, questions(3), tmp_path)
    cut_off(tmp_path, 20)
    await make().answer(MODEL, None, questions(3), tmp_path)
    assert len(openai_api.asked) == 4
    await make().answer(MODEL, None, questions(3), tmp_path)
    assert len(openai_api.asked) == 4, "the cut line does not spoil the one after it"


async def test_another_model_or_another_question_is_not_answered_from_the_log(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    await provider.answer(MODEL, None, questions(1), tmp_path)
    await provider.answer(MODEL, None, questions(1, max_tokens=10), tmp_path)
    with pytest.raises(ProviderRefusedError, match="model_not_found"):
        await provider.answer(f"ft:{MODEL}:org::0001", None, questions(1), tmp_path)
    assert len(openai_api.asked) == 2


async def test_a_few_are_asked_at_once_and_no_more(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    waiting: list[asyncio.Event] = []
    most = 0

    async def meet() -> None:
        # It goes on when three have come together: never, if fewer are asked at once.
        nonlocal most
        mine = asyncio.Event()
        waiting.append(mine)
        most = max(most, len(waiting))
        if len(waiting) == 3:
            for one in waiting:
                one.set()
            waiting.clear()
        await mine.wait()

    openai_api.meet = meet
    with anyio.fail_after(30):
        await make(concurrency=3).answer(MODEL, None, questions(12), tmp_path)
    assert most == 3


async def test_a_rejected_question_is_an_error_and_the_others_are_answered(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    openai_api.fail(400, path="/chat", code="context_length_exceeded", message="too long")
    answers = await provider.answer(MODEL, None, questions(4), tmp_path)
    (rejected,) = (answer for answer in answers if answer.error)
    assert "too long" in str(rejected.error) and rejected.cost_usd == 0
    assert len(openai_api.asked) == 3


async def test_if_every_question_is_rejected_that_is_no_score_of_zero(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    openai_api.fail(400, times=100, path="/chat", message="'max_tokens' is not supported")
    with pytest.raises(ProviderRefusedError, match=r"None of 4 questions .*max_tokens"):
        await provider.answer(MODEL, None, questions(4), tmp_path)


async def test_a_service_that_goes_down_keeps_what_was_paid_for(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    def say(model: str, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        if messages[-1]["content"] == "scan 4":
            openai_api.fail(503, times=100, path="/chat")
        return {"content": "yes"}

    openai_api.say = say
    with pytest.raises(ProviderUnavailableError):
        await make(concurrency=1).answer(MODEL, None, questions(10), tmp_path)
    assert len(openai_api.asked) == 5
    openai_api.failures.clear()
    openai_api.say = lambda model, messages, tools: {"content": "yes"}
    answers = await make().answer(MODEL, None, questions(10), tmp_path)
    assert len(answers) == 10 and len(openai_api.asked) == 10


async def test_passing_failures_are_got_over(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    openai_api.fail(429, path="/chat", times=2)
    answers = await provider.answer(MODEL, None, questions(3), tmp_path)
    assert [answer.error for answer in answers] == [None, None, None]


async def test_without_a_price_nothing_is_asked(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    with pytest.raises(ProviderRefusedError, match="No price is known"):
        await make(prices=load_prices()).answer(MODEL, None, questions(1), tmp_path)
    assert openai_api.requests == []


async def test_where_answers_cannot_be_kept_none_is_paid_for(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    with pytest.raises(StorageError):
        await provider.answer(MODEL, None, questions(1), place)
    assert openai_api.asked == []


async def test_a_refusal_of_the_model_is_what_it_said(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    openai_api.say = lambda model, messages, tools: {"content": None, "refusal": "I cannot."}
    (answer,) = await provider.answer(MODEL, None, questions(1), tmp_path)
    assert answer.message == {"role": "assistant", "content": "I cannot."}


async def test_no_questions_need_no_service(provider: OpenAIProvider, tmp_path: Path) -> None:
    assert await provider.answer(MODEL, None, [], tmp_path) == []


def test_a_service_that_counts_less_than_nothing_lowers_no_bill() -> None:
    (question,) = questions(1)
    told: JsonObject = {"usage": {"prompt_tokens": -5_000_000, "completion_tokens": 7}}
    assert billed(told, question, {"role": "assistant"}, lambda text: 10) == (17, 7)


async def test_a_service_that_counts_no_tokens_is_counted_for(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    (told,) = await provider.answer(MODEL, None, questions(1), tmp_path / "told")
    openai_api.counts = False
    (counted,) = await provider.answer(MODEL, None, questions(1), tmp_path / "counted")

    assert counted.cost_usd > 0
    assert counted.prompt_tokens >= 5 and counted.completion_tokens >= 5
    assert told.message == counted.message


async def test_what_answers_cost_is_known_before_and_is_never_exceeded(
    make: "Make", openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    provider = make(concurrency=2)
    before = await provider.answers_cost(MODEL, questions(3), tmp_path)
    assert (dict(before.kept), openai_api.asked) == ({}, [])
    assert before.under_way_usd == pytest.approx(before.upper_bound_usd * 2 / 3, rel=0.01)

    answers = await provider.answer(MODEL, None, questions(2), tmp_path)
    after = await provider.answers_cost(MODEL, questions(3), tmp_path)

    assert list(after.kept.values()) == answers
    assert set(after.most_usd) == {"row-2"}
    assert sum(answer.cost_usd for answer in answers) <= before.upper_bound_usd - after.upper_bound_usd
    with pytest.raises(ProviderRefusedError, match="No price is known"):
        await provider.answers_cost("unheard-of", questions(1), tmp_path)
