"""Asking rankers: toolhone's selector as it is served, functions, and programs; answers with their times."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import anyio

from toolhone import tokens
from toolhone.cli.rank import default_selector
from toolhone.evaluation.query_sets import LabelledQuery
from toolhone.finding import finding
from toolhone.found_text import tell
from toolhone.models import JsonObject, ToolDefinition

SHOWN = 5
"""What an agent gets if it asks for nothing else."""

Search: TypeAlias = Callable[[str], list[str]]


@dataclass(slots=True)
class Answers:
    """One ranker's answers to the queries of one set, in their order."""

    ranked: list[list[str]] = field(default_factory=list[list[str]])
    milliseconds: list[float] = field(default_factory=list[float])
    """What each search took; empty if the ranker does not say."""
    shown: list[list[str]] = field(default_factory=list[list[str]])
    """What an agent would be shown."""
    tokens: list[int] = field(default_factory=list[int])
    """What that costs the agent, in o200k tokens."""


@dataclass(slots=True)
class Served(Answers):
    """What only toolhone says."""

    fits: list[float] = field(default_factory=list[float])
    """How sure each answer is that a tool fits."""
    nothing_fits: list[bool] = field(default_factory=list[bool])


class RankerFailedError(Exception):
    """A program gave no usable answers."""


def ask_toolhone(tools: Sequence[ToolDefinition], queries: Sequence[str], k: int) -> Served:
    """The selector as it is served: its answer, timed, and then the whole order down to `k`."""
    return anyio.run(_ask_toolhone, tools, queries, k)


async def _ask_toolhone(tools: Sequence[ToolDefinition], queries: Sequence[str], k: int) -> Served:
    answers = Served()
    selector = default_selector()
    selector.update(tools)
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        await selector.wait_indexed()
        for query in queries:
            served = await selector.select(query, max_tools=SHOWN)
            answers.milliseconds.append(served.elapsed_ms)
            answers.fits.append(served.fits)
            answers.nothing_fits.append(served.nothing_fits)
            answers.shown.append([tool.definition.name for tool in served.tools])
            answers.tokens.append(tell(finding(served, served.notices), None, tokens.count_tokens).tokens)
            whole = await selector.select(query, max_tools=k, exhaustive=True)
            answers.ranked.append([tool.definition.name for tool in whole.tools])
        group.cancel_scope.cancel()
    return answers


def ask_function(search: Search, tools: Sequence[ToolDefinition], queries: Sequence[str]) -> Answers:
    answers = Answers()
    for query in queries:
        began = perf_counter()
        answers.ranked.append(search(query))
        answers.milliseconds.append((perf_counter() - began) * 1000)
    return _with_listings(answers, tools)


def ask_program(
    command: Sequence[str],
    folder: Path,
    tools: Sequence[ToolDefinition],
    queries: Sequence[LabelledQuery],
    *,
    k: int,
    embeddings: str,
    seconds: float,
) -> Answers:
    """A program that speaks as `toolhone rank` does; see `peers/exchange.py`.

    Args:
        folder: That of the set; the program reads its tools.
        embeddings: An endpoint it may use.
        seconds: After this time it is stopped.

    Raises:
        RankerFailedError: It failed, took too long, or answered something else.
    """
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as work:
        asked = Path(work) / "queries.jsonl"
        rows = (json.dumps({"id": number, "query": query.text}) for number, query in enumerate(queries))
        asked.write_text("".join(f"{row}\n" for row in rows))
        request: JsonObject = {"tools": str(folder / "tools.jsonl"), "queries": str(asked), "k": k}
        try:
            done = subprocess.run(
                command,
                input=json.dumps({**request, "embeddings": embeddings}),
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                # A proxy of the environment would be asked for the endpoint of this machine too.
                env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            )
        except OSError as error:
            raise RankerFailedError(str(error)) from error
        except subprocess.TimeoutExpired as error:
            raise RankerFailedError(f"not done after {seconds:.0f} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RankerFailedError(said[-1] if said else f"exit code {done.returncode}")
    return _with_listings(_answers_of(done.stdout, len(queries)), tools)


def _answers_of(output: str, count: int) -> Answers:
    answers = Answers()
    try:
        rows: list[JsonObject] = [json.loads(line) for line in output.splitlines() if line.strip()]
        if [row["id"] for row in rows] != list(range(count)):
            raise RankerFailedError(f"{len(rows)} answers to {count} queries, or not in their order")
        answers.ranked = [[str(name) for name in row["ranked"]] for row in rows]
        answers.milliseconds = [float(row["ms"]) for row in rows if "ms" in row]
    except (ValueError, KeyError, TypeError) as error:
        raise RankerFailedError(f"an answer is not {{'id', 'ranked'}}: {error!r}") from error
    return answers


def _with_listings(answers: Answers, tools: Sequence[ToolDefinition]) -> Answers:
    """What an agent pays if it is handed the first tools as MCP lists them."""
    by_name = {tool.name: tool for tool in tools}
    for ranked in answers.ranked:
        first = [by_name[name] for name in ranked[:SHOWN] if name in by_name]
        answers.shown.append([tool.name for tool in first])
        answers.tokens.append(tokens.count_tokens(tokens.tool_listing(first)))
    return answers
