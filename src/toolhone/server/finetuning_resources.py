"""MCP resources and prompts of fine-tuning."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mcp import types

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import minified
from toolhone.models import Caller
from toolhone.roles import Permission
from toolhone.work_answers import capabilities_json, event_json, job_json, model_json

if TYPE_CHECKING:
    from toolhone.operations import Finetuning

DATASET = "toolhone://datasets/"
JOB = "toolhone://jobs/"
MODEL = "toolhone://models/"
PROVIDERS = "toolhone://providers"
FINETUNING = "toolhone://finetuning"

PREPARE = "prepare_finetuning"
EXPLAIN = "explain_gate"

TAKES: Mapping[str, Permission] = {
    FINETUNING: Permission.MONITOR,
    PROVIDERS: Permission.MONITOR,
    DATASET: Permission.MONITOR,
    JOB: Permission.MONITOR,
    MODEL: Permission.MONITOR,
}
"""What a resource takes, by how its URI begins."""

PROMPTS_TAKE: Mapping[str, Permission] = {PREPARE: Permission.TRAIN, EXPLAIN: Permission.MONITOR}


def listing() -> list[types.Resource]:
    """The resources that are always there."""
    return [
        types.Resource(
            uri=FINETUNING,
            name="finetuning",
            title="Fine-tuning",
            description="Snapshots, datasets and jobs in numbers.",
            mime_type="application/json",
        ),
        types.Resource(
            uri=PROVIDERS,
            name="providers",
            title="Providers of fine-tuning",
            description="What each can do here, and what is missing.",
            mime_type="application/json",
        ),
    ]


def templates() -> list[types.ResourceTemplate]:
    """The resources that have a name of their own."""
    return [
        types.ResourceTemplate(
            uri_template=f"{DATASET}{{dataset_id}}",
            name="dataset",
            description="A dataset's card: what is in it, what was left out and why.",
            mime_type="text/markdown",
        ),
        types.ResourceTemplate(
            uri_template=f"{JOB}{{job_id}}",
            name="finetuning_job",
            description="A job and its events. Updates are announced while it runs.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template=f"{MODEL}{{model_id}}",
            name="model",
            description="A trained model and its gate's verdict.",
            mime_type="application/json",
        ),
    ]


def is_ours(uri: str) -> bool:
    """Whether `read` knows this kind of resource."""
    return uri in {FINETUNING, PROVIDERS} or uri.startswith((DATASET, JOB, MODEL))


async def read(system: "Finetuning", uri: str, caller: Caller) -> types.ReadResourceResult:
    """The content of one resource.

    Raises:
        InvalidRequestError: There is no such dataset, job or model.
    """
    if uri == FINETUNING:
        return _text(uri, minified(await system.statistics(caller=caller)))
    if uri == PROVIDERS:
        return _text(uri, minified([capabilities_json(one) for one in system.capabilities(caller=caller)]))
    if uri.startswith(DATASET):
        card = await system.dataset_card(unquote(uri.removeprefix(DATASET)), caller=caller)
        return _text(uri, card, "text/markdown")
    if uri.startswith(JOB):
        job = await system.job(unquote(uri.removeprefix(JOB)), caller=caller)
        events = await system.events(job.job_id, caller=caller)
        return _text(uri, minified({**job_json(job), "events": [event_json(event) for event in events]}))
    model = await system.model(unquote(uri.removeprefix(MODEL)), caller=caller)
    return _text(uri, minified(model_json(model)))


def prompts() -> list[types.Prompt]:
    """What a person may pick in the host."""
    return [
        types.Prompt(
            name=PREPARE,
            title="Prepare a fine-tuning",
            description="From a category's snapshots to a job that waits for your word.",
            arguments=[
                types.PromptArgument(name="category", description="category of agents", required=True),
                types.PromptArgument(name="provider", description="local, openai or selector"),
            ],
        ),
        types.Prompt(
            name=EXPLAIN,
            title="Explain a refused gate",
            description="Why a trained model is not used, and what would help.",
            arguments=[types.PromptArgument(name="job_id", description="the job", required=True)],
        ),
    ]


async def prompt(
    system: "Finetuning", name: str, arguments: dict[str, str], caller: Caller
) -> types.GetPromptResult:
    """One of ours.

    Raises:
        InvalidRequestError: A required argument is missing, or there is no such job.
    """
    if name == PREPARE:
        return _message(
            "Prepare a fine-tuning",
            _preparing(_given(name, arguments, "category"), arguments.get("provider", "").strip() or "local"),
        )
    job = await system.job(_given(name, arguments, "job_id"), caller=caller)
    return _message(f"Explain the gate of {job.job_id}", _explaining(minified(job_json(job))))


def _preparing(category: str, provider: str) -> str:
    return (
        f"Prepare a fine-tuning of the agents of category {category!r} with the provider {provider!r}.\n\n"
        f"1. Read {PROVIDERS}: can this provider train here? If not, say what is missing and stop.\n"
        f"2. Call prepare_dataset for {category!r}. Too few snapshots: say how many are missing and stop. "
        "Tell me what was left out, and why.\n"
        "3. Call estimate_finetuning. Show me its cost, its upper bound, and every warning in full.\n"
        "4. Ask me whether to go on. Only then call create_finetuning_job with the plan_id. If it waits for "
        "an approval, give me the command that approves it; do not look for a way around it.\n"
        "5. Follow it with get_finetuning_job. At the end say what the gate decided, with both scores. A "
        "model that did not pass is not to be used."
    )


def _explaining(job: str) -> str:
    return (
        f"This fine-tuning job has ended or is judged:\n\n{job}\n\n"
        "Explain to me in plain words what its gate decided and why: the score of the tuned model and of its "
        "base on the held-out rows, the interval of the difference, what was asked for "
        "(min_validation_accuracy), and how many rows there were. Say which of these it was: too few rows; "
        "not surely better than its base; better, but below what was asked; answers that failed. Look at its "
        "events (get_finetuning_job, events_after 0) for how the losses went. Then give me at most three "
        "things that could help, each with the call that would do it. To lower min_validation_accuracy is "
        "not a remedy unless the lower score would really do."
    )


def _given(prompt: str, arguments: dict[str, str], name: str) -> str:
    value = arguments.get(name, "").strip()
    if not value:
        raise InvalidRequestError(f"The prompt {prompt!r} needs the argument {name!r}.")
    return value


def _message(description: str, text: str) -> types.GetPromptResult:
    message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.GetPromptResult(description=description, messages=[message])


def _text(uri: str, text: str, mime_type: str = "application/json") -> types.ReadResourceResult:
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)]
    )
