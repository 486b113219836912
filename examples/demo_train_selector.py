"""Trains the encoder on recorded use: a firm whose tools have house names that no model can know.

What people ask for is found and called through toolhone, which logs it. The log becomes a dataset, a job
trains the encoder on it, and the gate compares it with the one in use, on requests and on tools that were
not in the training. Needs toolhone[train]; takes a minute or two. The firm is invented and its requests are
put together from few phrases, so they are easy to learn: the figures say that learning works, not what it
brings elsewhere.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import anyio

from toolhone.app import App, open_app
from toolhone.assembly import scoring_weights
from toolhone.identifiers import utc_timestamp
from toolhone.models import LOCAL_CALLER, Caller, Category, JsonObject
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, ModelRecord
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.lessons import read_lessons
from toolhone.settings import Settings
from toolhone.training.adoption import adopt
from toolhone.training.providers.provider import Artifact, Phase, TrainingRequest
from toolhone.training.providers.selector import STOCK, SelectorProvider
from toolhone.training.selector_dataset import freeze

# What the firm's systems are for, in the words of those who need them.
SYSTEMS = {
    "heron": ("pay slip", "wage statement", "salary", "overtime pay"),
    "kestrel": ("password", "login", "account that is locked", "sign-in code"),
    "osprey": ("holiday", "days off", "vacation", "parental leave"),
    "merlin": ("printer paper", "pens and folders", "coffee for the kitchen", "toner"),
    "plover": ("broken window", "dripping tap", "cold radiator", "stuck lift"),
    "curlew": ("meeting room", "quiet room", "conference room", "workshop room"),
    "dunlin": ("train ticket", "hotel bill", "taxi receipt", "flight costs"),
    "egret": ("refund for a customer", "complaint about a torn jacket", "returned lamp", "double charge"),
    "fulmar": ("new laptop", "headset", "second screen", "company phone"),
    "godwit": ("language course", "first-aid training", "seminar", "safety lesson"),
    "jackdaw": ("company car", "van", "parking space", "fuel card"),
    "lapwing": ("visitor badge", "guest pass", "entry for the cleaners", "key card of a supplier"),
}
# And what can be done in them.
VERBS = {
    "lodge": ("I need a {}", "please arrange a {} for me", "get our team a {}"),
    "scrub": ("I do not want the {} any more", "cancel the {} I asked for", "drop what I filed about the {}"),
    "peek": ("how far is it with the {}", "is there news about my {}", "what became of the {}"),
    "nudge": ("nobody has reacted about the {}", "remind the boss of the {}", "hurry them up with the {}"),
    "shift": ("the {} must be a week later", "postpone the {} to Monday", "find another date for the {}"),
    "tally": ("what did we spend on each {}", "sum up every {} of this year", "a table of every {} in May"),
}
REQUESTS = 400
EPOCHS = 4
LEARNING_RATE = 3e-4
"""More than the recipe's, because a firm's whole vocabulary is to be learned in a minute."""

NEW_TASK, MEANT = "did anybody look at the dripping tap by now?", "plover_peek"
"""Nobody put it like this before."""


def write_registry(folder: Path) -> None:
    """A file for each tool, and one function behind them all."""
    folder.mkdir()
    (folder / "systems.py").write_text('def run(request: str) -> str:\n    return f"done: {request}"\n')
    schema = {"type": "object", "properties": {"request": {"type": "string"}}, "required": ["request"]}
    handler = {"type": "python", "function": "systems:run"}
    for system in SYSTEMS:
        for verb in VERBS:
            text = f"{verb.capitalize()} an entry in {system.capitalize()}."
            name = f"{system}_{verb}"
            tool = {"name": name, "description": text, "inputSchema": schema, "handler": handler}
            (folder / f"{name}.json").write_text(json.dumps(tool))


def requests() -> list[tuple[str, str]]:
    """What people asked, each wording once, and the tool that they meant."""
    wishes = [
        (wording.format(thing), f"{system}_{verb}")
        for system, things in SYSTEMS.items()
        for verb, wordings in VERBS.items()
        for thing in things
        for wording in wordings
    ]
    return random.Random(5).sample(wishes, REQUESTS)


async def record_use(app: App) -> None:
    """For each request an agent asks for tools, in a session of its own, and calls the one that was meant."""
    gateway = await app.gateway()
    await gateway.indexed()
    for number, (task, tool) in enumerate(requests()):
        caller = Caller(principal=f"agent-{number % 20}", session=f"session-{number}")
        await gateway.find(task, caller=caller)
        (result,) = await gateway.call([{"tool": tool, "arguments": {"request": task}}], caller=caller)
        assert result.success, result.error


async def train(selector: SelectorProvider, request: TrainingRequest) -> Artifact:
    """Run the job to its end, printing how it goes."""
    job = await selector.submit(request)
    after = None
    while True:
        polled = await selector.poll(request, job, after)
        for event in polled.events:
            after = event.event_id
            step = event.metrics.get("step")
            if step is None or step % 10 == 0:
                loss = f", loss {event.metrics['training_loss']:.2f}" if step is not None else ""
                say(f"  {event.message}{loss}")
        if polled.phase is not Phase.RUNNING:
            break
        await anyio.sleep(0.5)
    assert polled.phase is Phase.SUCCEEDED, polled.error
    return await selector.artifact(request, job)


async def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_registry(folder / "registry")
        settings = Settings(registry=folder / "registry", data=folder / "data", learn_after=0)
        async with open_app(settings, {}) as app:
            await record_use(app)
            lessons = await read_lessons(app.audit.query)
            definitions = (await app.gateway()).catalog.tools()
        say(f"{len(lessons)} requests led to a call; {len(definitions)} tools")

        (folder / "dataset").mkdir()
        manifest = freeze(
            lessons,
            definitions,
            encoder=DEFAULT_FOLDER,
            workspace=folder / "dataset",
            now=utc_timestamp(),
        ).manifest
        say(f"dataset {manifest.dataset_id}: {dict(manifest.counts)}")
        config = FinetuningConfig(
            category=Category.GENERAL,
            provider=FinetuningProvider.SELECTOR,
            base_model=STOCK,
            n_epochs=EPOCHS,
            learning_rate=LEARNING_RATE,
        )
        request = TrainingRequest(
            job_id="finetune_general_demo",
            key="demo",
            category=Category.GENERAL,
            config=config,
            manifest=manifest,
            dataset=folder / "dataset",
            workspace=folder / "runs",
        )
        selector = SelectorProvider(settings.data, scoring_weights(settings))
        try:
            estimate = await selector.estimate(config, manifest, request.dataset, 0.0)
            say(f"planned: {estimate.steps} steps, {estimate.price_source}")
            artifact = await train(selector, request)
        finally:
            await selector.aclose()

        verdict = artifact.details["verdict"]
        unseen = verdict["unseen_tools"]
        show("later requests, worded like none of the training", verdict)
        show("requests for tools that it never saw used", unseen)
        say(f"{verdict['decision']}: {verdict['why']}")
        if verdict["decision"] != "passed":
            say("The encoder in use stays.")
            return
        model = ModelRecord(
            model_id=artifact.model_id,
            category=Category.GENERAL,
            provider=FinetuningProvider.SELECTOR,
            base_model=STOCK,
            created_at=utc_timestamp(),
            job_id=request.job_id,
            dataset_id=manifest.dataset_id,
            artifact_hash=artifact.sha256,
            path=str(artifact.path),
            passed=True,
            verdict=verdict,
        )
        adopt(settings.data, model)
        async with open_app(settings, {}) as app:
            gateway = await app.gateway()
            await gateway.indexed()
            found = await gateway.find(NEW_TASK, caller=LOCAL_CALLER)
        names = [tool.definition.name for tool in found.tools]
        say(f"{artifact.model_id} is in use; {NEW_TASK!r} means {MEANT} and finds {', '.join(names[:3])}")


def show(what: str, figures: JsonObject) -> None:
    before, after, gain = figures["base_score"], figures["tuned_score"], figures["difference"]
    say(
        f"recall@5 on {figures['n']} {what}: {before:.1%} before, {after:.1%} after "
        f"(95 % of the difference: {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f} points)"
    )


STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", flush=True)


if __name__ == "__main__":
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        sys.exit(130)
