"""Fine-tuning by any service with OpenAI's API: OpenAI itself, Azure, and others at a base URL."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from pydantic import TypeAdapter

from toolhone.exceptions import (
    InvalidRequestError,
    ProviderError,
    ProviderNotSetUpError,
    ProviderRefusedError,
)
from toolhone.json_values import is_array
from toolhone.models import JsonObject, content_hash
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider
from toolhone.tokens import count_tokens
from toolhone.training.costs import Price, PriceBook, is_tuned, service_of, unknown_price
from toolhone.training.providers.openai_answers import AnswerLog, ask_all
from toolhone.training.providers.openai_estimate import estimated, margin_of, shutdown_date
from toolhone.training.providers.openai_files import count_row, measure
from toolhone.training.providers.openai_results import (
    event_of,
    failure,
    last_figures,
    latest,
    phase_of,
    result_rows,
)
from toolhone.training.providers.openai_starting import Starting
from toolhone.training.providers.provider import (
    Answer,
    AnswersCost,
    Artifact,
    Capabilities,
    Phase,
    Polled,
    ProviderEvent,
    Question,
    TrainingRequest,
)

if TYPE_CHECKING:
    from toolhone.training.providers.openai_wire import Wire

OPENAI_URL = "https://api.openai.com/v1"

_CLOSING_SECONDS = 5.0

_PRICE = TypeAdapter(Price)

_NO_KEY = (
    "There is no API key for the OpenAI-compatible service: put it into the environment variable "
    "OPENAI_API_KEY, or the one that TOOLHONE_OPENAI_KEY names; or train here with provider 'local'."
)

_BAD_KEY = (
    "The API key of the OpenAI-compatible service has characters that cannot be sent, so it was damaged on "
    "its way here: set it anew."
)


class Profile(StrEnum):
    """What a service does its own way."""

    OPENAI = "openai"
    AZURE = "azure"


class OpenAIProvider:
    """Trains and asks models over the wire of OpenAI's API.

    Args:
        prices: What services take; the section is "openai" for OpenAI itself, "azure" for that profile, and
            the host name of `base_url` for any other service.
        deployments: Azure answers from deployments only: their names, by model.
        settle_seconds: How long after its creation a job may be missing in the service's list.
        concurrency: Questions that are asked at once.
    """

    def __init__(
        self,
        base_url: str = OPENAI_URL,
        api_key: str | None = None,
        *,
        prices: PriceBook,
        profile: Profile = Profile.OPENAI,
        deployments: Mapping[str, str] | None = None,
        organization: str | None = None,
        project: str | None = None,
        timeout_seconds: float = 120.0,
        max_retries: int = 5,
        settle_seconds: float = 30.0,
        concurrency: int = 8,
        count: Callable[[str], int] = count_tokens,
        today: Callable[[], date] = date.today,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        # A key that was read from a file ends with its newline, which no header may hold.
        self._api_key = (api_key or "").strip() or None
        self._prices = prices
        self._azure = profile is Profile.AZURE
        self._service = "azure" if self._azure else service_of(self._base_url)
        self._deployments = dict(deployments or {})
        self._organization = organization
        self._project = project
        self._timeout = timeout_seconds
        self._retries = max_retries
        self._concurrency = concurrency
        self._count = count
        self._today = today
        self._wire: Wire | None = None
        self._connecting = anyio.Lock()
        self._starting = Starting(
            self._connect,
            base_url=self._base_url,
            azure=self._azure,
            settle_seconds=settle_seconds,
            now=now,
            sleep=sleep,
        )

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            provider=FinetuningProvider.OPENAI,
            available=bool(self._api_key),
            unavailable_why=None if self._api_key else _NO_KEY,
            costs_money=True,
            honours=("base_model", "n_epochs", "batch_size", "seed", "model_version"),
            dataset_format="openai-chat",
            limits=(
                "Supervised fine-tuning of chat models. At least 10 rows, 512 MB a file. learning_rate "
                "cannot be sent. OpenAI itself takes no new jobs from 6 January 2027 on."
            ),
        )

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        """See `Provider.estimate`. Nothing is sent but a question about the base model."""
        model = config.base_model
        if not model:
            raise InvalidRequestError(
                f"base_model is empty, and {self._service!r} has no default one: name a model that it can "
                f"fine-tune{self._examples()}."
            )
        today = self._today()
        price = self._price_now(model)
        measured = await anyio.to_thread.run_sync(
            lambda: measure(
                dataset,
                azure=self._azure,
                epochs=config.n_epochs,
                count=self._count,
            )
        )
        described = await (await self._connect()).model(model)
        warnings = [
            *self._prices.deadlines(self._service, model, today, told=shutdown_date(described)),
            *price.warnings(today),
        ]
        if described is None:
            warnings.append(f"{self._base_url!r} does not describe models, so {model!r} was not looked up.")
        return estimated(config, measured, price, azure=self._azure, warnings=warnings)

    async def submit(self, request: TrainingRequest) -> str:
        return await self._starting.submit(request, lambda: self._price_now(request.config.base_model))

    async def find(self, request: TrainingRequest) -> str | None:
        return await self._starting.find(request)

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        wire = await self._connect()
        job = await wire.job(provider_job_id)
        newest_first: list[ProviderEvent] = []
        async with aclosing(wire.events(provider_job_id)) as events:
            async for event in events:
                if event.get("id") == after:
                    break
                newest_first.append(event_of(event, request.config.n_epochs))
        raw = str(job.get("status"))
        phase = phase_of(raw)
        fresh = tuple(reversed(newest_first))
        known = latest(fresh)
        step, steps = (int(known[name]) if name in known else None for name in ("step", "steps"))
        progress = min(step / steps, 1.0) if step is not None and steps else None
        return Polled(
            phase=phase,
            raw=raw,
            progress=1.0 if phase is Phase.SUCCEEDED else progress,
            epoch=known.get("epoch"),
            step=step,
            steps=steps,
            training_loss=known.get("training_loss"),
            validation_loss=known.get("full_validation_loss", known.get("validation_loss")),
            cost_usd=(await self._bill(request, job))[0],
            error=failure(job),
            events=fresh,
        )

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        wire = await self._connect()
        try:
            await wire.cancel(provider_job_id)
        except ProviderError:
            # A job that is over cannot be cancelled and need not be; an answer may also have been lost.
            if not phase_of(str((await wire.job(provider_job_id)).get("status"))).over:
                raise

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        wire = await self._connect()
        job = await wire.job(provider_job_id)
        status, model = str(job.get("status")), job.get("fine_tuned_model")
        if phase_of(status) is not Phase.SUCCEEDED or not isinstance(model, str) or not model:
            raise ProviderError(
                f"The job {provider_job_id!r} has no model to show: its state is {status!r} and its "
                f"fine_tuned_model {model!r}. Look at it at the service."
            )
        result, results_hash = await self._results(wire, job)
        cost, how = await self._bill(request, job)
        description: JsonObject = {
            name: job.get(name)
            for name in ("id", "model", "fine_tuned_model", "created_at", "finished_at", "training_file")
        } | {name: job.get(name) for name in ("validation_file", "seed", "method", "trained_tokens")}
        description |= {
            "service": self._base_url,
            "dataset": request.manifest.content_hash,
            "results": results_hash,
        }
        details: JsonObject = {"description": description, "result": result, "cost": how}
        if self._azure:
            details["deployment"] = self._deployments.get(model) or _deploy(model)
        return Artifact(
            model_id=model,
            sha256=content_hash(description).removeprefix("sha256:"),
            cost_usd=cost or 0.0,
            details=details,
        )

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        """See `Provider.answer`. A question that the service rejects is an answer with an error, and free.

        Raises:
            ProviderRefusedError: No question can be asked: no deployment, no right, no such model.
            ProviderUnavailableError: The service is down. What was answered is kept.
        """
        cost = self._cost_of_answers(model)
        wire = await self._connect()
        with AnswerLog(workspace, self._base_url, model) as log:
            return await ask_all(
                questions,
                lambda asked: wire.chat(
                    self._deployments.get(model, model), asked.messages, asked.tools, asked.max_tokens
                ),
                cost,
                log=log,
                concurrency=self._concurrency,
                count=self._count,
            )

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        """See `Provider.answers_cost`."""
        cost, margin = self._cost_of_answers(model), margin_of(model)

        def bound() -> AnswersCost:
            log = AnswerLog(workspace, self._base_url, model)
            kept = {asked.row_id: answer for asked in questions if (answer := log.get(asked)) is not None}
            missing = [asked for asked in questions if asked.row_id not in kept]
            most = {
                asked.row_id: margin
                * cost(count_row(asked.messages, asked.tools, self._count), asked.max_tokens)
                for asked in missing
            }
            return AnswersCost(kept=kept, most_usd=most, at_once=self._concurrency)

        return await anyio.to_thread.run_sync(bound)

    async def aclose(self) -> None:
        if self._wire is not None:
            wire, self._wire = self._wire, None
            with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
                await wire.close()

    def _cost_of_answers(self, model: str) -> Callable[[int, int], float]:
        """What so many tokens read and written by this model cost.

        Raises:
            ProviderRefusedError: Its price is not known, or it is not deployed.
        """
        price = self._prices.price(self._service, model)
        if price is None:
            raise unknown_price(self._service, model)
        if self._azure and model not in self._deployments:
            raise ProviderRefusedError(_deploy(model), data={"reason": "not_deployed", "model": model})
        # A name that is in no table is taken for a tuned model's: those cost more.
        tuned = is_tuned(model) or not self._prices.names(self._service, model)
        return partial(price.answer_usd, tuned=tuned)

    async def _bill(self, request: TrainingRequest, job: JsonObject) -> tuple[float | None, str]:
        """What the training cost, and how that is known; `None` while the service does not say."""
        trained = job.get("trained_tokens")
        if not isinstance(trained, int) or isinstance(trained, bool) or trained < 0:
            return None, "the service does not say how many tokens it trained"
        submission = await self._starting.read(request)
        if submission.price is not None:
            price = _PRICE.validate_python(submission.price)
        else:
            price = self._prices.price(self._service, request.config.base_model)
        if price is None:
            return None, "no price is known"
        return price.training_usd(trained), f"{trained} trained tokens; {price}"

    async def _results(self, wire: "Wire", job: JsonObject) -> tuple[JsonObject, str | None]:
        """The last figures of the first result file that is one, and its hash."""
        files = job.get("result_files")
        for file_id in files if is_array(files) else ():
            try:
                content = await wire.content(str(file_id))
            except ProviderRefusedError as error:
                # The model is there all the same; only its curve is not.
                return {"error": error.message}, None
            if rows := result_rows(content):
                figures: JsonObject = dict(last_figures(rows))
                return figures | {"rows": len(rows)}, f"sha256:{hashlib.sha256(content).hexdigest()}"
        return {}, None

    async def _connect(self) -> "Wire":
        if not self._api_key:
            raise ProviderNotSetUpError(_NO_KEY)
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            # Refused here because the error of the HTTP library would show it.
            raise ProviderNotSetUpError(_BAD_KEY)
        async with self._connecting:
            if self._wire is None:
                self._wire = await anyio.to_thread.run_sync(self._open, self._api_key)
            return self._wire

    def _open(self, api_key: str) -> "Wire":
        # Importing the package takes more than a second, and opening a client reads all certificates.
        from toolhone.training.providers.openai_wire import Wire

        return Wire(
            self._base_url,
            api_key,
            organization=self._organization,
            project=self._project,
            timeout_seconds=self._timeout,
            max_retries=self._retries,
        )

    def _price_now(self, base_model: str) -> Price:
        """Raises ProviderRefusedError if the model has no known price, or is not trained any more."""
        self._prices.deadlines(self._service, base_model, self._today())
        price = self._prices.price(self._service, base_model)
        if price is None:
            raise unknown_price(self._service, base_model)
        return price

    def _examples(self) -> str:
        names = self._prices.models(self._service)
        return f", for example {names[0]!r}" if names else ""


def _deploy(model: str) -> str:
    return (
        f"Azure answers from deployments only, and none is known for {model!r}. Deploy it (Azure portal, or "
        "`az cognitiveservices account deployment create`), name the deployment in the settings "
        "(TOOLHONE_OPENAI_DEPLOYMENTS), then run `toolhone jobs retry`."
    )
