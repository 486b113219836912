"""The OpenAI API over HTTP, and its errors in plain words. The only module here that imports `openai`.

What comes back are plain JSON objects: services answer with words and fields that the package's types do
not know, and those must pass.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import anyio
import anyio.to_thread
import httpx2
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, omit
from openai.pagination import AsyncCursorPage
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.fine_tuning.job_create_params import Method
from pydantic import BaseModel

from toolhone.exceptions import ProviderError, ProviderRefusedError, ProviderUnavailableError
from toolhone.json_values import is_object
from toolhone.models import JsonObject

logger = logging.getLogger(__name__)

PAGE = 100
_QUOTED = 300
"""Characters of a service's own message that are passed on."""
_LEAST_SECRET = 8
"""Characters of a key. Services on this machine take any word for one, and such a word is no secret."""
_PASSING = {408, 409, 425, 429}
"""Statuses below 500 that may be another one the next time."""


class _Listing(Protocol):
    def __call__(self, *, after: str, limit: int) -> Awaitable[object]: ...


class Wire:
    """One service. Reading and uploading are tried again on 429, 5xx and lost connections."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        organization: str | None,
        project: str | None,
        timeout_seconds: float,
        max_retries: int,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            timeout=httpx2.Timeout(timeout_seconds, connect=10.0),
            max_retries=max_retries,
        )
        # What was not given would be taken from the environment, and go to whatever service this is.
        self._client.organization = organization
        self._client.project = project

    async def close(self) -> None:
        await self._client.close()

    async def model(self, name: str) -> JsonObject | None:
        """What the service says of a model; `None` if it does not describe models."""
        with self._explained(f"look up the model {name!r}"):
            try:
                return _plain(await self._client.models.retrieve(name))
            except APIStatusError as error:
                # Some services have no such page. One that knows it and misses the model says so.
                if error.status_code in {404, 405, 501} and error.code != "model_not_found":
                    return None
                raise

    async def upload(self, path: Path, filename: str) -> JsonObject:
        with self._explained(f"upload {filename!r}"):
            # Handed over open, it is sent in pieces; by its path it would be read into memory whole.
            file = await anyio.to_thread.run_sync(path.open, "rb")
            with file:
                return _identified(
                    await self._client.files.create(file=(filename, file), purpose="fine-tune")
                )

    async def file(self, file_id: str) -> JsonObject:
        with self._explained(f"look up the file {file_id!r}"):
            return _plain(await self._client.files.retrieve(file_id))

    async def find_file(self, filename: str) -> str | None:
        """The id of the newest file of this name that was uploaded for fine-tuning."""

        async def files(*, after: str, limit: int) -> object:
            return await self._client.files.list(
                purpose="fine-tune", after=after or omit, limit=limit, order="desc"
            )

        async for file in self._pages("list files", files):
            if file.get("filename") == filename:
                return str(file["id"])
        return None

    async def content(self, file_id: str) -> bytes:
        with self._explained(f"read the file {file_id!r}"):
            return (await self._client.files.content(file_id)).content

    async def create_job(
        self,
        *,
        key: str,
        model: str,
        training_file: str,
        validation_file: str | None,
        method: JsonObject,
        seed: int,
        suffix: str,
        metadata: dict[str, str],
    ) -> JsonObject | None:
        """Start a paid job: asked once, never again by itself.

        Returns:
            The job; `None` if the answer was lost, so that it may have been started or not.

        Raises:
            ProviderError: It surely was not started.
        """
        try:
            with self._explained(f"create a fine-tuning job on {model!r}"):
                return _identified(
                    await self._client.with_options(max_retries=0).fine_tuning.jobs.create(
                        model=model,
                        training_file=training_file,
                        validation_file=validation_file or omit,
                        method=cast(Method, method),
                        seed=seed,
                        suffix=suffix,
                        metadata=metadata,
                        # Not documented for this call; a service that knows it answers a repetition with
                        # the same job, one that does not ignores it.
                        extra_headers={"Idempotency-Key": key},
                    )
                )
        except ProviderError as error:
            if not _surely_not_done(error.__cause__):
                logger.warning("no answer to the creation of a job: %s", error.message)
                return None
            raise

    async def job(self, job_id: str) -> JsonObject:
        with self._explained(f"look up the job {job_id!r}"):
            return _plain(await self._client.fine_tuning.jobs.retrieve(job_id))

    def jobs(self) -> AsyncGenerator[JsonObject]:
        """All jobs, the newest first."""

        async def jobs(*, after: str, limit: int) -> object:
            return await self._client.fine_tuning.jobs.list(after=after or omit, limit=limit)

        return self._pages("list jobs", jobs)

    def events(self, job_id: str) -> AsyncGenerator[JsonObject]:
        """All events of a job, the newest first."""

        async def events(*, after: str, limit: int) -> object:
            return await self._client.fine_tuning.jobs.list_events(job_id, after=after or omit, limit=limit)

        return self._pages(f"list the events of {job_id!r}", events)

    async def cancel(self, job_id: str) -> None:
        with self._explained(f"cancel the job {job_id!r}"):
            await self._client.fine_tuning.jobs.cancel(job_id)

    async def chat(
        self, model: str, messages: Iterable[JsonObject], tools: Iterable[JsonObject], max_tokens: int
    ) -> JsonObject:
        """One greedy answer."""
        with self._explained(f"ask {model!r}"):
            offered = [cast(ChatCompletionToolParam, tool) for tool in tools]
            return _plain(
                await self._client.chat.completions.create(
                    model=model,
                    messages=[cast(ChatCompletionMessageParam, message) for message in messages],
                    tools=offered or omit,
                    temperature=0,
                    # The newer `max_completion_tokens` is unknown to many compatible services.
                    max_tokens=max_tokens,
                )
            )

    async def _pages(self, doing: str, listing: _Listing) -> AsyncGenerator[JsonObject]:
        after = ""
        while True:
            with self._explained(doing):
                page = await listing(after=after, limit=PAGE)
                if not isinstance(page, AsyncCursorPage):
                    raise ValueError("not a list")
                data = [_identified(item) for item in cast("AsyncCursorPage[object]", page).data or ()]
                more = bool(page.has_more)
            for item in data:
                yield item
            # A page that ends where the one before ended would go on for ever.
            if not more or not data or data[-1]["id"] == after:
                return
            after = str(data[-1]["id"])

    @contextmanager
    def _explained(self, doing: str) -> Generator[None]:
        try:
            yield
        except APIStatusError as error:
            raise explain(
                doing,
                self._base_url,
                status=error.status_code,
                code=None if error.code is None else self._without_key(error.code),
                said=self._without_key(_said(error)),
            ) from error
        except APIConnectionError as error:
            raise ProviderUnavailableError(
                f"Could not {doing} at {self._base_url!r}: no answer ({self._root(error)}). Nothing is lost; "
                "it is tried again. If that does not help, check the base URL and the network.",
                data={"reason": "no_answer"},
            ) from error
        except (APIError, ValueError) as error:
            raise ProviderError(
                f"Could not {doing}: {self._base_url!r} did not answer as an OpenAI-compatible API does "
                f"({self._root(error)}). Check the base URL; it usually ends in '/v1'.",
                data={"reason": "not_openai"},
            ) from error

    def _root(self, error: BaseException) -> str:
        cause = error.__cause__ or error
        return " ".join(self._without_key(f"{type(cause).__name__}: {cause}").split())[:_QUOTED]

    def _without_key(self, text: str) -> str:
        """Services, and proxies before them, quote what they were sent."""
        return text.replace(self._api_key, "***") if len(self._api_key) >= _LEAST_SECRET else text


def explain(doing: str, base_url: str, *, status: int, code: str | None, said: str) -> ProviderError:
    """The refusal or failure, and what to do about it."""
    quoted = " ".join(said.split())[:_QUOTED]
    begin = f"Could not {doing} at {base_url!r} (HTTP {status}{f', {code}' if code else ''})"
    data: JsonObject = {"status": status, "code": code}
    if code in {"insufficient_quota", "billing_hard_limit_reached"}:
        advice = "The account has no credit left, or reached its own limit: raise it there, then retry."
    elif status in _PASSING or status >= 500:
        return ProviderUnavailableError(
            f"{begin}: {quoted}. Nothing is lost; it is tried again later.", data={**data, "reason": "busy"}
        )
    elif status == 401:
        # Such a message may quote a part of the key.
        return ProviderRefusedError(f"{begin}: the API key is not accepted. Set a valid one.", data=data)
    elif status == 403 and "fine-tun" in f"{said} {code}".lower():
        advice = (
            "This account may not fine-tune there (OpenAI closes fine-tuning in steps, until nobody may on "
            "6 January 2027): use another service with an OpenAI-compatible API, or provider 'local'."
        )
    elif status == 403:
        advice = "The API key lacks a right that this needs: give it that right, or set another key."
    elif code == "invalid_n_examples":
        advice = "The training file has too few rows; at least 10 are needed: prepare a larger dataset."
    elif status == 404 and ("model" in doing or code == "model_not_found"):
        advice = "The model does not exist there, or this account may not use or tune it: choose another one."
    elif status == 404:
        advice = "It does not exist there (any more), or the base URL is not the one it was made at."
    elif status == 413:
        advice = "The file is too large: prepare a smaller dataset (max_samples)."
    else:
        advice = "The request was not accepted as it was; nothing was started by it."
    return ProviderRefusedError(f"{begin}: {quoted} — {advice}", data=data)


def _surely_not_done(cause: BaseException | None) -> bool:
    """Whether a request that failed so cannot have been carried out."""
    if isinstance(cause, APIStatusError):
        return cause.status_code < 500 and cause.status_code not in {408, 409}
    return isinstance(cause, APIConnectionError) and isinstance(
        cause.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout
    )


def _plain(answer: object) -> JsonObject:
    """The answer as JSON. A page of HTML, which the package passes on as text, is none."""
    if not isinstance(answer, BaseModel):
        raise ValueError(f"a {type(answer).__name__}, not an object")
    return answer.model_dump(mode="json", exclude_unset=True, warnings=False)


def _identified(answer: object) -> JsonObject:
    """The answer as JSON, if it names a thing."""
    plain = _plain(answer)
    if not isinstance(plain.get("id"), str):
        raise ValueError("an object without an id")
    return plain


def _said(error: APIStatusError) -> str:
    """The service's own words, without what the package says before them."""
    message = error.body.get("message") if is_object(error.body) else None
    return str(message or error.message)
