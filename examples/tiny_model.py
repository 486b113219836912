"""Builds a language model of 0.1 million parameters on the spot, trained to read requests to scan a file.

It shows the mechanism of local fine-tuning in seconds instead of hours, and no weights have to be downloaded.
It knows two ways to answer `scan FILE for PATTERN`: as JSON, if the system message says so, and in prose.
Usage: python examples/tiny_model.py FOLDER
"""

import importlib
import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>")

TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>tools\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson + '\\n' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>{"name": ' + call.function.name | tojson + ', "arguments": ' }}
            {{- call.function.arguments | tojson + '}</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

FOLDERS = ("app", "api", "core", "lib", "web", "db", "jobs", "auth")
FILES = ("main", "views", "users", "login", "orders", "cache", "tasks", "utils", "forms", "parse")
ENDINGS = ("py", "js", "go")
PATTERNS = ("eval", "exec", "md5", "pickle", "shell", "token", "secret", "debug", "chmod", "yaml")

VOCABULARY = 640

SYSTEMS = ("You are an agent.", "Be brief.", "You are an agent for core_security tasks.")
ASK_FOR_JSON = " Answer in JSON."


def requests(seed: int) -> Iterator[tuple[str, str]]:
    """Files and patterns, without end."""
    rng = random.Random(seed)
    while True:
        file = f"{rng.choice(FOLDERS)}/{rng.choice(FILES)}.{rng.choice(ENDINGS)}"
        yield file, rng.choice(PATTERNS)


def asked(file: str, pattern: str) -> str:
    """The request, in words."""
    return f"scan {file} for {pattern}"


def in_json(file: str, pattern: str) -> str:
    """The answer that a program can read."""
    return json.dumps({"file": file, "pattern": pattern}, separators=(",", ":"))


def in_prose(file: str, pattern: str) -> str:
    """The answer that a person can read."""
    return f"Looking for {pattern} in {file}."


def build_tokenizer() -> Any:
    """Byte pairs learned from the requests, over all bytes: every text has tokens, common words have one."""
    transformers: Any = importlib.import_module("transformers")
    tokenizer = Tokenizer(models.BPE())
    # Spaces stand alone, so that a word is the same token wherever it stands, and easily copied.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        chat_template=TEMPLATE,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def _texts() -> Iterator[str]:
    yield from (*SYSTEMS, ASK_FOR_JSON, "system user assistant tool") * 50
    for request in islice(requests(seed=1), 3_000):
        yield from (asked(*request), in_json(*request), in_prose(*request))


def build_model(folder: Path, *, steps: int = 400, batch: int = 16, seed: int = 0, threads: int = 1) -> Path:
    """Train the model from random weights and save it to the folder."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            # With the usual 0.02 a model this small takes several times as many steps to learn to copy.
            initializer_range=0.15,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-2, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.5e-2, total_steps=steps, pct_start=0.1)
    rng, source = random.Random(seed), requests(seed)
    for _ in range(steps):
        rows = [_row(tokenizer, rng, next(source)) for _ in range(batch)]
        longest = max(len(tokens) for tokens, _ in rows)
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows])
        labels = torch.tensor([marks + [-100] * (longest - len(marks)) for _, marks in rows])
        loss = model(input_ids=tokens, attention_mask=tokens != 0, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _row(tokenizer: Any, rng: random.Random, request: tuple[str, str]) -> tuple[list[int], list[int]]:
    as_json = rng.random() < 0.5
    prompt = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": rng.choice(SYSTEMS) + (ASK_FOR_JSON if as_json else "")},
            {"role": "user", "content": asked(*request)},
        ],
        add_generation_prompt=True,
        tokenize=False,
    )
    answer = (in_json if as_json else in_prose)(*request) + SPECIAL[2]
    asked_tokens, answered = tokenizer.encode(prompt), tokenizer.encode(answer)
    return asked_tokens + answered, [-100] * len(asked_tokens) + answered


if __name__ == "__main__":
    started = time.perf_counter()
    built = build_model(Path(sys.argv[1]))
    print(f"{built} in {time.perf_counter() - started:.1f} s")
