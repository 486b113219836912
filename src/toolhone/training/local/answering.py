"""Lets a base or tuned model answer held-out requests, greedily; answers given before are not given again."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from toolhone.models import JsonObject
from toolhone.training.local.conversations import for_template
from toolhone.training.local.finetune import positions
from toolhone.training.local.masks import spelled_out, turn_ends
from toolhone.training.local.orders import ANSWERS, AnsweringOrder, AskedQuestion
from toolhone.training.local.tool_calls import read_answer
from toolhone.training.local.weights import device, load_model, load_tokenizer, load_tuned
from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase
from toolhone.training.sources import required


def answer(folder: Path, reporter: Reporter) -> None:
    """Answer the questions in `config.json` of the folder into its `answers.jsonl`.

    Raises:
        InvalidRequestError: The model cannot be loaded.
    """
    order = AnsweringOrder.model_validate(reporter.config())
    answered = set(read_answers(folder))
    left = [question for question in order.questions if question.row_id not in answered]
    if left:
        at = device(order.threads)
        if order.adapter is not None:
            model, tokenizer = load_tuned(order.adapter, at)
        else:
            model, tokenizer = load_model(order.base_model, at), load_tokenizer(order.base_model)
        model.eval()
        tokenizer.padding_side = "left"
        done = len(answered)
        for batch in _batches(left, order.batch_size):
            _append(folder, _answers(model, tokenizer, batch))
            done += len(batch)
            reporter.report(
                f"{done} of {len(order.questions)} answered", {"step": done, "steps": len(order.questions)}
            )
    reporter.finish(Phase.SUCCEEDED)


def read_answers(folder: Path) -> dict[str, JsonObject]:
    """The answers given so far, by row. A line that was cut off when its writer died does not count."""
    answers: dict[str, JsonObject] = {}
    try:
        lines = (folder / ANSWERS).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return answers
    for line in lines:
        if line.endswith(b"\n") and line.strip():
            answer = cast("JsonObject", json.loads(line))
            answers[str(answer["row_id"])] = answer
    return answers


def _append(folder: Path, answers: Sequence[JsonObject]) -> None:
    path = folder / ANSWERS
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in answers)
    with path.open("ab+", buffering=0) as file:
        size = file.seek(0, 2)
        # What a writer left that was killed in the middle of a line goes; its rows are asked again.
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < size:
            file.truncate(whole)
        file.write(text.encode("utf-8", "replace"))


def _batches(questions: list[AskedQuestion], size: int) -> Iterator[list[AskedQuestion]]:
    """Questions of about the same length together, so that little is padded."""
    ordered = sorted(questions, key=lambda one: (one.max_tokens, len(json.dumps(one.messages))))
    batch: list[AskedQuestion] = []
    for question in ordered:
        if batch and (len(batch) == size or question.max_tokens != batch[0].max_tokens):
            yield batch
            batch = []
        batch.append(question)
    if batch:
        yield batch


def _answers(model: Any, tokenizer: Any, batch: Sequence[AskedQuestion]) -> list[JsonObject]:
    errors = required("jinja2").exceptions
    answers: list[JsonObject] = []
    prompts: list[tuple[AskedQuestion, list[int]]] = []
    room = positions(model.config)
    for question in batch:
        token = spelled_out(tokenizer, question.messages, question.tools)
        if token is not None:
            answers.append(
                _failed(question, f"The request has the model's special token {token!r} in its text.")
            )
            continue
        try:
            text = tokenizer.apply_chat_template(
                for_template(question.messages),
                tools=question.tools or None,
                add_generation_prompt=True,
                tokenize=False,
            )
        except (errors.TemplateError, TypeError, ValueError) as exc:
            answers.append(_failed(question, f"The model's chat template refuses the request: {exc}"))
            continue
        prompt = cast("list[int]", tokenizer.encode(text, add_special_tokens=False))
        if len(prompt) >= room:
            answers.append(
                _failed(question, f"The request has {len(prompt)} tokens; the model reads {room} at most.")
            )
            continue
        prompts.append((question, prompt))
    # What is padded to a request that nearly fills the model would have no room left for its own answer.
    roomy = [one for one in prompts if len(one[1]) + one[0].max_tokens <= room]
    alone = [[one] for one in prompts if len(one[1]) + one[0].max_tokens > room]
    for together in [roomy, *alone] if roomy else alone:
        answers += _generated(model, tokenizer, together, room)
    return answers


def _generated(
    model: Any, tokenizer: Any, prompts: Sequence[tuple[AskedQuestion, list[int]]], room: int
) -> list[JsonObject]:
    """The answers to prompts that are padded to one length."""
    torch, transformers = required("torch"), required("transformers")
    answers: list[JsonObject] = []
    padded = tokenizer.pad({"input_ids": [prompt for _, prompt in prompts]}, return_tensors="pt").to(
        model.device
    )
    width = int(padded["input_ids"].shape[1])
    ends = _ends(model, tokenizer)
    watch = _Watch(len(prompts), width, ends)
    with torch.inference_mode():
        # A fresh configuration: that of the model may sample, or punish what is said twice.
        written = model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            generation_config=transformers.GenerationConfig(
                do_sample=False,
                max_new_tokens=min(prompts[0][0].max_tokens, room - width),
                eos_token_id=ends or None,
                pad_token_id=tokenizer.pad_token_id,
            ),
            stopping_criteria=transformers.StoppingCriteriaList([watch.criterion]),
        )
    watch.over()
    for place, (question, prompt) in enumerate(prompts):
        tokens = [int(token) for token in written[place][width:]]
        stop = next((index for index, token in enumerate(tokens) if token in ends), len(tokens))
        # Only the end is cut off: special tokens around tool calls, say, are part of the answer.
        text = tokenizer.decode(tokens[:stop], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        answers.append(
            {
                "row_id": question.row_id,
                "message": read_answer(text),
                "latency_ms": round(watch.seconds(place) * 1_000, 3),
                "prompt_tokens": len(prompt),
                "completion_tokens": min(stop + 1, len(tokens)),
            }
        )
    return answers


def _failed(question: AskedQuestion, why: str) -> JsonObject:
    return {
        "row_id": question.row_id,
        "message": {"role": "assistant", "content": ""},
        "latency_ms": 0.0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "error": why,
    }


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """All tokens on which generation stops: the model's, and the one that ends answers in its template."""
    own: Any = getattr(model.generation_config, "eos_token_id", None)
    named = cast("list[int | None]", own if isinstance(own, list) else [own])
    ends = {token for token in [*named, tokenizer.eos_token_id] if token is not None}
    return sorted(ends | set(turn_ends(tokenizer)))


class _Watch:
    """Notes when each answer of a batch was finished, counted from the batch's start.

    Every answer waits for the pass over all prompts; it does not wait for longer answers beside it.
    """

    def __init__(self, count: int, width: int, ends: Sequence[int]) -> None:
        self._started = time.perf_counter()
        self._finished: list[float | None] = [None] * count
        self._width = width
        self._ends = frozenset(ends)
        torch = required("torch")

        def call(_self: Any, input_ids: Any, _scores: Any, **_: Any) -> Any:
            now = time.perf_counter() - self._started
            for place, token in enumerate(input_ids[:, -1].tolist()):
                if self._finished[place] is None and token in self._ends:
                    self._finished[place] = now
            return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

        # The base class can be named only when transformers is there.
        self.criterion: Any = type(
            "Watching", (required("transformers").StoppingCriteria,), {"__call__": call}
        )()

    def over(self) -> None:
        """Generation has ended: answers without an end took until now."""
        now = time.perf_counter() - self._started
        self._finished = [now if finished is None else finished for finished in self._finished]

    def seconds(self, place: int) -> float:
        return self._finished[place] or 0.0
