"""Anthropic's models: fine-tuned through Amazon Bedrock only, which toolhone does not call."""

from collections.abc import Sequence
from pathlib import Path

from toolhone.exceptions import ProviderRefusedError
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider
from toolhone.training.providers.provider import (
    Answer,
    AnswersCost,
    Artifact,
    Capabilities,
    Polled,
    Question,
    TrainingRequest,
)

WHY = (
    "Anthropic's own API has no fine-tuning; its models are fine-tuned through Amazon Bedrock, which "
    "toolhone does not call."
)


class AnthropicProvider:
    """Says what is true, and refuses everything that would only look like training."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            provider=FinetuningProvider.ANTHROPIC,
            available=False,
            unavailable_why=f"{WHY} {_export('ID')}",
            costs_money=True,
            honours=(),
            dataset_format="bedrock-anthropic",
        )

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        raise _refusal(manifest.dataset_id)

    async def submit(self, request: TrainingRequest) -> str:
        raise _refusal(request.manifest.dataset_id)

    async def find(self, request: TrainingRequest) -> str | None:
        """Surely none: nothing can have been started."""
        return None

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        raise _refusal(request.manifest.dataset_id)

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        raise _refusal(request.manifest.dataset_id)

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        raise _refusal(request.manifest.dataset_id)

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        raise ProviderRefusedError(f"{WHY} So {model!r} is not asked here either.")

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        raise ProviderRefusedError(f"{WHY} So {model!r} is not asked here either.")

    async def aclose(self) -> None:
        """There is nothing to let go of."""


def _refusal(dataset_id: str) -> ProviderRefusedError:
    return ProviderRefusedError(
        f"{WHY} Nothing was sent. {_export(dataset_id)}", data={"dataset_id": dataset_id}
    )


def _export(dataset_id: str) -> str:
    return (
        f"Export the dataset in its format with `toolhone datasets export {dataset_id} "
        "--format bedrock-anthropic` and start the job there, or train on this machine with provider 'local'."
    )
