"""Pages of trainings: all jobs with their budgets, and one job as it goes."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.errands import ErrandKind
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.jobs import Job, JobStatus
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.category_choice import ALL_CATEGORIES, CATEGORIES, category_of
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import segment
from toolhone.server.dashboard.job_curves import MOST_POINTS, cost_chart, loss_chart
from toolhone.server.dashboard.layout import render
from toolhone.work_answers import ACTIVE

SHOWN = 100
"""Jobs of the list, and events of one job."""

TONES = {
    JobStatus.AWAITING_APPROVAL: "warn",
    JobStatus.NEEDS_ATTENTION: "warn",
    JobStatus.COST_STOPPED: "warn",
    JobStatus.PAUSED: "warn",
    JobStatus.SUCCEEDED: "good",
    JobStatus.FAILED: "bad",
    JobStatus.GATE_FAILED: "bad",
    JobStatus.CANCELLED: "plain",
}
"""How a state is coloured; whatever goes on is busy."""

STATES = {
    "active": ("Going on", ACTIVE),
    "waiting": ("Waiting for somebody", (JobStatus.AWAITING_APPROVAL, JobStatus.NEEDS_ATTENTION)),
    "succeeded": ("Succeeded", (JobStatus.SUCCEEDED,)),
    "unsuccessful": (
        "Without success",
        tuple(one for one in JobStatus if one.final and one is not JobStatus.SUCCEEDED),
    ),
}
"""What the list can be narrowed to."""

DONE = {
    "created": "The job is created. It is free, so it begins at once.",
    "waits": "The job is created. It costs money, so it waits until somebody approves it.",
    "approved": "Approved: the job begins.",
    "cancelled": "Cancelling was asked for; the provider is stopped first.",
    "retried": "The job runs again.",
    "budget": "The budget is set.",
}


def jobs_pages() -> APIRouter:
    router = page_router()

    @router.get("/jobs", dependencies=[allowed(Permission.MONITOR)])
    async def jobs(
        request: Request,
        app: GivenApp,
        system: GivenSystem,
        caller: GivenCaller,
        category: str = "",
        state: str = "",
        done: str = "",
    ) -> HTMLResponse:
        chosen = category_of(category)
        found = await system.jobs(category=chosen, status=_state(state), limit=SHOWN + 1, caller=caller)
        budgets = [(one, *await system.budget(one, caller=caller)) for one in Category]
        figures = await system.statistics(caller=caller)
        return render(
            request,
            "jobs.html",
            title="Jobs",
            nav="jobs",
            jobs=found[:SHOWN],
            more=len(found) > SHOWN,
            going=app.host.errands.going(ErrandKind.ESTIMATE, caller=caller),
            figures=figures,
            budgets=[budget for budget in budgets if budget[1] is not None or budget[2] or budget[3]],
            categories=CATEGORIES,
            all_categories=ALL_CATEGORIES,
            category=category,
            states=[(key, label) for key, (label, _) in STATES.items()],
            state=state,
            tones=TONES,
            done=DONE.get(done),
        )

    @router.post("/jobs/budget", dependencies=[allowed(Permission.APPROVE)])
    async def set_budget(
        system: GivenSystem,
        caller: GivenCaller,
        category: Annotated[str, Form()],
        limit_usd: Annotated[str, Form()] = "",
    ) -> RedirectResponse:
        chosen = category_of(category)
        if chosen is None:
            raise InvalidRequestError("Choose the category whose budget is to be set.")
        await system.set_budget(chosen, _amount(limit_usd), caller=caller)
        return RedirectResponse("/jobs?done=budget", 303)

    @router.get("/jobs/{job_id}", dependencies=[allowed(Permission.MONITOR)])
    async def job(
        request: Request, system: GivenSystem, caller: GivenCaller, job_id: str, done: str = ""
    ) -> HTMLResponse:
        found = await system.job(job_id, caller=caller)
        plan = await system.plan(found.plan_id, caller=caller)
        course = await system.course(job_id, said=SHOWN, points=MOST_POINTS, caller=caller)
        return render(
            request,
            "job.html",
            title=_name(found),
            nav="jobs",
            charts=True,
            job=found,
            plan=plan,
            tone=TONES.get(found.status, "busy"),
            loss=loss_chart(found, course.drawn),
            cost=cost_chart(found, course.drawn),
            events=course.said,
            left_out=course.earlier,
            can=_actions(found),
            done=DONE.get(done),
        )

    @router.post("/jobs/{job_id}/approve", dependencies=[allowed(Permission.APPROVE)])
    async def approve(system: GivenSystem, caller: GivenCaller, job_id: str) -> RedirectResponse:
        await system.approve_job(job_id, caller=caller)
        return RedirectResponse(f"/jobs/{segment(job_id)}?done=approved", 303)

    @router.post("/jobs/{job_id}/cancel", dependencies=[allowed(Permission.TRAIN)])
    async def cancel(system: GivenSystem, caller: GivenCaller, job_id: str) -> RedirectResponse:
        await system.cancel_job(job_id, caller=caller)
        return RedirectResponse(f"/jobs/{segment(job_id)}?done=cancelled", 303)

    @router.post("/jobs/{job_id}/retry", dependencies=[allowed(Permission.TRAIN)])
    async def retry(system: GivenSystem, caller: GivenCaller, job_id: str) -> RedirectResponse:
        await system.retry_job(job_id, caller=caller)
        return RedirectResponse(f"/jobs/{segment(job_id)}?done=retried", 303)

    return router


def _state(name: str) -> tuple[JobStatus, ...] | None:
    if not name:
        return None
    if name not in STATES:
        raise InvalidRequestError(f"Jobs cannot be narrowed to {name!r}; there are {', '.join(STATES)}.")
    return STATES[name][1]


def _amount(text: str) -> float | None:
    """Dollars as somebody typed them; nothing takes the limit away."""
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise InvalidRequestError(
            f"{text!r} is no number of dollars. Write 20 or 7.50, or nothing for no limit."
        ) from None


def _name(job: Job) -> str:
    return f"{job.config.base_model or job.provider.value} for {job.category.value}"


def _actions(job: Job) -> set[str]:
    """What can be done with it now."""
    can: set[str] = set()
    if job.status is JobStatus.AWAITING_APPROVAL:
        can.add("approve")
    if (not job.status.final and not job.cancel_requested) or job.status is JobStatus.NEEDS_ATTENTION:
        can.add("cancel")
    if job.status.final and job.status is not JobStatus.SUCCEEDED:
        can.add("retry")
    return can
