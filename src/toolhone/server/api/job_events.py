"""What happens to a job, over REST: as a list, and as server-sent events while it happens."""

import re
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict
from sse_starlette import EventSourceResponse, ServerSentEvent

from toolhone.models import Caller
from toolhone.operations import Finetuning
from toolhone.records.jobs import JobEvent
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import EVENT
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.jobs import JobId
from toolhone.server.api.json_answers import encoded, told
from toolhone.server.api.openapi import also

router = endpoints("/jobs/{job_id}/events", tag="jobs")

KEEP_ALIVE = 15
"""Seconds after which a stream that has nothing to tell sends a comment, so that no proxy ends it."""

_EXAMPLE = (
    "event: metrics\nid: 57\ndata: " + encoded(EVENT).decode() + "\n\nevent: end\nid: 58.end\ndata: {}\n\n"
)

_LAST = re.compile(r"(\d{1,18})(\.end)?")

After = Annotated[int, Query(ge=0, le=2**53, description="Only events with a greater `seq`.")]


class JobEvents(BaseModel):
    """Events of one job, the oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [EVENT], "last": 57}]})

    events: list[JobEvent]
    last: int
    """The `seq` of the last: what `after` is next."""


@router.get(
    "",
    operation_id="list_job_events",
    summary="What happened to a job",
    responses=also(404),
    dependencies=[allowed(Permission.MONITOR)],
)
async def events(
    job_id: JobId,
    system: GivenSystem,
    caller: GivenCaller,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> JobEvents:
    """Its states, figures, costs and messages, the oldest first."""
    found = await system.events(job_id, after=after, limit=limit, caller=caller)
    return JobEvents(events=found, last=found[-1].seq if found else after)


@router.get(
    "/stream",
    operation_id="stream_job_events",
    summary="A job while it goes on",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "An event of the job has its `kind` as its name and its `seq` as id; `job` "
            "tells the job after a change; `end` is the last.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        204: {"description": "The job is over, and everything was told to this client before."},
        **also(404),
    },
    dependencies=[allowed(Permission.MONITOR)],
)
async def stream(
    job_id: JobId,
    system: GivenSystem,
    caller: GivenCaller,
    after: After = 0,
    last_event_id: Annotated[
        str | None,
        Header(max_length=40, description="Sent by a browser that was cut off: goes on from there."),
    ] = None,
) -> Response:
    """Server-sent events until the job is over: what happened so far, then each change as it comes.

    A client that comes again with `Last-Event-ID` misses nothing and is told nothing twice.
    """
    known = _LAST.fullmatch(last_event_id or "")
    seen = int(known[1]) if known else after
    job = await system.job(job_id, caller=caller)
    told_all = known is not None and known[2] is not None and job.status.final
    if told_all and not await system.events(job_id, after=seen, limit=1, caller=caller):
        return Response(status_code=204)  # which tells a browser not to come again
    return EventSourceResponse(_told(system, job_id, seen, caller), ping=KEEP_ALIVE, sep="\n")


async def _told(
    system: Finetuning, job_id: str, seen: int, caller: Caller
) -> AsyncGenerator[ServerSentEvent]:
    async for job in system.watch(job_id, caller=caller):
        # A change of a job and its event are written together, so none is told without the other.
        for event in await system.events(job_id, after=seen, caller=caller):
            seen = event.seq
            yield _event(event.kind, event, str(seen))
        yield _event("job", job)
    yield ServerSentEvent("{}", event="end", id=f"{seen}.end")


def _event(name: str, record: object, event_id: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(encoded(told(record)).decode(), event=name, id=event_id)
