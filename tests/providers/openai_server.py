"""A real HTTP server on 127.0.0.1 that speaks the part of OpenAI's API that fine-tuning uses.

It encodes our reading of the API (documentation, the types of `openai` 3.54, reports of users) and was never
compared with the live service: that the provider works here does not prove that it works there.

Use it as the fixture `openai_api`, or run this file: it prints its base URL and serves until it is ended.
"""

import base64
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Object = dict[str, Any]
Say = Callable[[str, list[Object], list[Object]], Object]
"""(model, messages, tools) -> the assistant's message."""

API_KEY = "sk-test-0123456789"
MODEL = "gpt-4.1-mini-2025-04-14"
PAGE = 20

OPENAI_CSV = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n"
AZURE_CSV = (
    "step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,"
    "full_valid_mean_token_accuracy\n"
)


@dataclass(kw_only=True)
class Failure:
    """What happens to the next requests of a method whose path contains a text."""

    status: int | None = 500
    """`None`: the connection is lost instead."""
    method: str = ""
    path: str = ""
    times: int = 1
    carried_out: bool = False
    """What was asked for is done all the same; only its answer is lost."""
    code: str | None = None
    message: str = "The server had an error while processing your request."

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in {"", method} and self.path in path


@dataclass(kw_only=True)
class File:
    file_id: str
    filename: str
    purpose: str
    content: bytes
    created_at: int
    statuses: list[str] = field(default_factory=lambda: ["processed"])


@dataclass(kw_only=True)
class Job:
    job_id: str
    body: Object
    created_at: int
    states: list[str]
    """Those that are still to come; each look at the job takes one."""
    status: str = "validating_files"
    rows: int = 0
    trained_tokens: int = 0
    error: Object | None = None
    events: list[Object] = field(default_factory=list[Object])
    """Oldest first."""

    @property
    def over(self) -> bool:
        return self.status in {"succeeded", "failed", "cancelled"}


class OpenAIServer:
    """The service's state, which tests look at and change."""

    def __init__(self) -> None:
        self.base_url = ""
        self.api_key = API_KEY
        self.requests: list[tuple[str, str]] = []
        """Every request that came in: method and path."""
        self.headers: list[Object] = []
        self.files: dict[str, File] = {}
        self.jobs: dict[str, Job] = {}
        """In the order of their creation. Each one was paid for."""
        self.asked: list[Object] = []
        """The bodies of the chat completions that were answered. Each one was paid for."""
        self.failures: list[Failure] = []
        self.models: dict[str, Object] = {MODEL: {}, "gpt-4o-mini": {"shutdown_date": "2027-01-14"}}
        """Fields beside the usual ones."""
        self.describes_models = True
        self.fine_tuning_allowed = True
        self.quota = True
        self.states = ["queued", "running", "succeeded"]
        """What a new job goes through; the last state stays."""
        self.hold: str | None = None
        """A state that jobs do not leave: a slow job."""
        self.azure = False
        """Files need a BOM and are read for a while, suffixes are short, the CSV has Azure's names."""
        self.base64_results = True
        self.keeps_metadata = True
        self.counts = True
        """It says how many tokens an answer took."""
        self.lists_jobs_after = 0
        """How many looks at the list a new job is missing in."""
        self.honours_idempotency = False
        self.answer_to_ended_cancel = 400
        self.say: Say = lambda model, messages, tools: {"content": f"{model} heard {messages[-1]['content']}"}
        self.meet: Callable[[], Awaitable[None]] | None = None
        """Awaited by each question before it is answered: by this, tests see how many are asked at once."""
        self.trained: dict[str, str] = {}
        """The training file of each tuned model."""
        self._ids = itertools.count(1)
        self._clock = itertools.count(int(time.time()))
        self._keys: dict[str, str] = {}
        self._lock = threading.RLock()

    def count(self, method: str, path: str) -> int:
        """How many such requests came in; `path` is how they end."""
        return sum(1 for came, where in self.requests if came == method and where.endswith(path))

    def fail(self, status: int | None = 500, **how: Any) -> None:
        self.failures.append(Failure(status=status, **how))

    def rows(self, file_id: str) -> list[Object]:
        """The rows of an uploaded file."""
        text = self.files[file_id].content.decode("utf-8-sig")
        return [json.loads(line) for line in text.splitlines()]

    # Routes

    def app(self) -> ASGIApp:
        routes = [
            Route("/v1/models/{model:path}", self._model, methods=["GET"]),
            Route("/v1/files", self._list_files, methods=["GET"]),
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}", self._file, methods=["GET", "DELETE"]),
            Route("/v1/files/{id}/content", self._content, methods=["GET"]),
            Route("/v1/fine_tuning/jobs", self._list_jobs, methods=["GET"]),
            Route("/v1/fine_tuning/jobs", self._create, methods=["POST"]),
            Route("/v1/fine_tuning/jobs/{id}", self._job, methods=["GET"]),
            Route("/v1/fine_tuning/jobs/{id}/{action}", self._act, methods=["POST"]),
            Route("/v1/fine_tuning/jobs/{id}/events", self._events, methods=["GET"]),
            Route("/v1/fine_tuning/jobs/{id}/checkpoints", self._checkpoints, methods=["GET"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]
        return _Faults(self, Starlette(routes=routes))

    async def _model(self, request: Request) -> Response:
        name = request.path_params["model"]
        if not self.describes_models:
            return refused(404, "Not Found", code=None)
        if name not in self.models and name not in self.trained:
            return refused(404, f"The model '{name}' does not exist", code="model_not_found")
        about = {"id": name, "object": "model", "created": 1, "owned_by": "system"}
        return JSONResponse(about | self.models.get(name, {}))

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            upload = form["file"]
            assert isinstance(upload, UploadFile)
            content, purpose, filename = await upload.read(), str(form["purpose"]), upload.filename or ""
        with self._lock:
            file = File(
                file_id=f"file-{next(self._ids):04}",
                filename=filename,
                purpose=purpose,
                content=content,
                created_at=next(self._clock),
            )
            if self.azure:
                file.statuses = ["pending", "running", "processed"]
            self.files[file.file_id] = file
        return JSONResponse(self._file_object(file))

    def _file_object(self, file: File) -> Object:
        status = file.statuses.pop(0) if len(file.statuses) > 1 else file.statuses[0]
        return {
            "id": file.file_id,
            "object": "file",
            "bytes": len(file.content),
            "created_at": file.created_at,
            "filename": file.filename,
            "purpose": file.purpose,
            "status": status,
        }

    async def _list_files(self, request: Request) -> Response:
        newest = [self._file_object(file) for file in reversed(self.files.values())]
        return _page(newest, request)

    async def _file(self, request: Request) -> Response:
        file = self.files.get(request.path_params["id"])
        if file is None:
            return refused(404, "No such File object", code="file_not_found", param="id")
        if request.method == "DELETE":
            del self.files[file.file_id]
            return JSONResponse({"id": file.file_id, "object": "file", "deleted": True})
        return JSONResponse(self._file_object(file))

    async def _content(self, request: Request) -> Response:
        file = self.files.get(request.path_params["id"])
        if file is None:
            return refused(404, "No such File object", code="file_not_found", param="id")
        return Response(file.content, media_type="application/octet-stream")

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        key = request.headers.get("idempotency-key", "")
        if self.honours_idempotency and key in self._keys:
            return JSONResponse(self._object(self.jobs[self._keys[key]]))
        if refusal := self._reasons_against(body):
            return refusal
        with self._lock:
            rows = self.rows(body["training_file"])
            epochs = body["method"]["supervised"]["hyperparameters"]["n_epochs"]
            job = Job(
                job_id=f"ftjob-{next(self._ids):04}",
                body=body,
                created_at=next(self._clock),
                states=list(self.states),
                rows=len(rows),
                trained_tokens=epochs * sum(len(json.dumps(row["messages"])) // 4 for row in rows),
            )
            self.jobs[job.job_id] = job
            self._keys[key] = job.job_id
            self._say(job, f"Created fine-tuning job: {job.job_id}")
            self._say(job, f"Validating training file: {body['training_file']}")
        return JSONResponse(self._object(job))

    def _reasons_against(self, body: Object) -> Response | None:
        if not self.quota:
            return refused(429, "You exceeded your current quota", code="insufficient_quota")
        if not self.fine_tuning_allowed:
            return refused(403, "Fine-tuning is not available for your organization", code=None)
        if body["model"] not in self.models:
            return refused(404, f"The model '{body['model']}' does not exist", code="model_not_found")
        for name in ("training_file", "validation_file"):
            file_id = body.get(name)
            if file_id is not None and file_id not in self.files:
                return refused(400, f"invalid {name}: {file_id}", code="file_not_found", param=name)
            if file_id is not None and self.azure:
                file = self.files[file_id]
                if not file.content.startswith(b"\xef\xbb\xbf"):
                    return refused(400, "The file is not UTF-8 with BOM", code="invalidPayload", param=name)
                if len(file.statuses) > 1:
                    return refused(400, "The file is not processed", code="invalidPayload", param=name)
        if len(self.rows(body["training_file"])) < 10:
            message = "Training file has too few examples. Minimum is 10 examples"
            return refused(400, message, code="invalid_n_examples", param="training_file")
        suffix = body.get("suffix") or ""
        if len(suffix) > (18 if self.azure else 64) or (self.azure and "." in suffix):
            return refused(400, f"invalid suffix: {suffix}", code="invalidPayload", param="suffix")
        return None

    async def _list_jobs(self, request: Request) -> Response:
        hidden = 0
        if self.lists_jobs_after > 0:
            self.lists_jobs_after -= 1
            hidden = 1
        newest = [self._object(job) for job in reversed(self.jobs.values())]
        return _page(newest[hidden:], request)

    async def _job(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return _no_job(request)
        answer = self._object(job)
        with self._lock:
            self._advance(job)
        return JSONResponse(answer)

    def _advance(self, job: Job) -> None:
        if job.over or job.status == self.hold or not job.states:
            return
        job.status = job.states.pop(0)
        self._say(job, f"The job is now {job.status}")
        if job.status == "running":
            for step in range(1, 6):
                self._measure(job, step, 5)
        if job.status == "succeeded":
            self._finish(job)
        if job.status == "failed" and job.error is None:
            job.error = {"code": "server_error", "message": "The job failed", "param": None}

    def _say(self, job: Job, message: str, level: str = "info", **more: Any) -> None:
        job.events.append(
            {
                "object": "fine_tuning.job.event",
                "id": f"ftevent-{next(self._ids):04}",
                "created_at": next(self._clock),
                "level": level,
                "message": message,
                "type": "message",
                "data": None,
            }
            | more
        )

    def _measure(self, job: Job, step: int, steps: int) -> None:
        loss = round(2 / step, 4)
        data = {
            "step": step,
            "total_steps": steps,
            "train_loss": loss,
            "train_mean_token_accuracy": round(1 - loss / 4, 4),
            "valid_loss": round(loss * 1.1, 4),
            "valid_mean_token_accuracy": None,
        }
        self._say(job, f"Step {step}/{steps}: training loss={loss}", type="metrics", data=data)

    def _finish(self, job: Job) -> None:
        header = AZURE_CSV if self.azure else OPENAI_CSV
        lines = [f"{step},{2 / step:.4f},{1 - 0.5 / step:.4f},,\n" for step in range(1, 5)]
        last = "5,0.4000,0.9000,0.4400,0.8800" + (",0.4500,0.8700\n" if self.azure else "\n")
        text = (header + "".join(lines) + last).encode()
        file = File(
            file_id=f"file-{next(self._ids):04}",
            filename="step_metrics.csv",
            purpose="fine-tune-results",
            content=base64.b64encode(text) if self.base64_results else text,
            created_at=next(self._clock),
        )
        self.files[file.file_id] = file
        job.body["result_file"] = file.file_id
        self.trained[self.tuned_name(job)] = job.body["training_file"]
        self._say(job, "New fine-tuned model created")

    def tuned_name(self, job: Job) -> str:
        number = job.job_id.removeprefix("ftjob-")
        if self.azure:
            return f"{job.body['model']}.ft-{number}-{job.body['suffix']}"
        return f"ft:{job.body['model']}:org:{job.body['suffix']}:{number}"

    def _object(self, job: Job) -> Object:
        done = job.status == "succeeded"
        return {
            "id": job.job_id,
            "object": "fine_tuning.job",
            "model": job.body["model"],
            "created_at": job.created_at,
            "finished_at": job.created_at + 600 if job.over else None,
            "fine_tuned_model": self.tuned_name(job) if done else None,
            "organization_id": "org-test",
            "status": job.status,
            "training_file": job.body["training_file"],
            "validation_file": job.body.get("validation_file"),
            "result_files": [job.body["result_file"]] if done else [],
            "trained_tokens": job.trained_tokens if done else None,
            "error": job.error,
            "hyperparameters": job.body["method"]["supervised"]["hyperparameters"],
            "method": job.body["method"],
            "seed": job.body.get("seed", 0),
            "metadata": job.body.get("metadata") if self.keeps_metadata else None,
        }

    async def _act(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return _no_job(request)
        action = request.path_params["action"]
        if job.over:
            return refused(self.answer_to_ended_cancel, f"Job is already {job.status}", code="invalid_state")
        job.status = {"cancel": "cancelled", "pause": "paused", "resume": "queued"}[action]
        self._say(job, f"The job was told to {action}")
        return JSONResponse(self._object(job))

    async def _events(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        return _no_job(request) if job is None else _page(job.events[::-1], request)

    async def _checkpoints(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return _no_job(request)
        checkpoint = {
            "object": "fine_tuning.job.checkpoint",
            "id": f"ftckpt_{job.job_id}",
            "created_at": job.created_at,
            "fine_tuned_model_checkpoint": f"{self.tuned_name(job)}:ckpt-step-5",
            "fine_tuning_job_id": job.job_id,
            "step_number": 5,
            "metrics": {"step": 5, "train_loss": 0.4},
        }
        return _page([checkpoint] if job.status == "succeeded" else [], request)

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        model = body["model"]
        known = model in self.models or model in self.trained
        if not known and not self.azure:
            return refused(404, f"The model '{model}' does not exist", code="model_not_found")
        self.asked.append(body)
        if self.meet is not None:
            await self.meet()
        said = self.say(model, body["messages"], body.get("tools", []))
        prompt, completion = len(json.dumps(body["messages"])) // 4, len(json.dumps(said)) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        return JSONResponse(
            {
                "id": f"chatcmpl-{next(self._ids):04}",
                "object": "chat.completion",
                "created": next(self._clock),
                "model": model,
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "tool_calls" if said.get("tool_calls") else "stop",
                        "message": {"role": "assistant", "content": None} | said,
                    }
                ],
                **({"usage": usage} if self.counts else {}),
            }
        )


class _Faults:
    """Notes each request, and lets those fail that shall."""

    def __init__(self, server: OpenAIServer, app: ASGIApp) -> None:
        self._server = server
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        method, path = request.method, request.url.path
        self._server.requests.append((method, path))
        self._server.headers.append(dict(request.headers))
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            await refused(401, "Incorrect API key provided: sk-wro***", code="invalid_api_key")(
                scope, receive, send
            )
            return
        failure = next((one for one in self._server.failures if one.fits(method, path)), None)
        if failure is None:
            await self._app(scope, receive, send)
            return
        failure.times -= 1
        if failure.carried_out:
            await self._app(scope, receive, _swallow)
        if failure.status is None:
            # An answer that breaks off: uvicorn then closes the connection.
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            return
        await refused(failure.status, failure.message, code=failure.code)(scope, receive, send)


async def _swallow(message: Message) -> None:
    pass


def refused(status: int, message: str, *, code: str | None, param: str | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    # So that tests need not wait for the next try.
    return JSONResponse({"error": error}, status_code=status, headers={"retry-after-ms": "1"})


def _no_job(request: Request) -> Response:
    job_id = request.path_params["id"]
    return refused(404, f"Could not find fine tune: {job_id}", code="fine_tune_not_found", param="id")


def _page(newest_first: list[Object], request: Request) -> Response:
    after = request.query_params.get("after")
    limit = min(int(request.query_params.get("limit", PAGE)), PAGE)
    begin = 0
    if after:
        ids = [item["id"] for item in newest_first]
        if after not in ids:
            return refused(404, f"No such object: {after}", code="not_found", param="after")
        begin = ids.index(after) + 1
    data = newest_first[begin : begin + limit]
    more = begin + limit < len(newest_first)
    return JSONResponse({"object": "list", "data": data, "has_more": more})


class Host:
    """Where services are reached: one after the other, each of them new."""

    def __init__(self) -> None:
        self.base_url = ""
        self._app = OpenAIServer().app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def new_service(self) -> OpenAIServer:
        server = OpenAIServer()
        server.base_url = self.base_url
        self._app = server.app()
        return server


@contextmanager
def hosting() -> Generator[Host]:
    """A host in a thread of its own: coroutines, blocking tests and child processes all reach it."""
    host = Host()
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(host, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, name="openai-server")
    thread.start()
    try:
        if not started.wait(20):
            raise TimeoutError("The server did not start.")
        port = server.servers[0].sockets[0].getsockname()[1]
        host.base_url = f"http://127.0.0.1:{port}/v1"
        yield host
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


if __name__ == "__main__":
    with hosting() as running:
        print(running.new_service().base_url, flush=True)
        threading.Event().wait()
