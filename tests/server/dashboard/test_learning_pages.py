"""Pages of learning, access, privacy and settings: who may see and do what, and that nothing shown runs."""

import json
import threading
from typing import TypeAlias

import pytest

from toolhone.evaluation.intervals import Interval
from toolhone.evaluation.paired import Method, PairedResult
from toolhone.models import LOCAL_CALLER, Category, EventKind, Json, JsonObject
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider, Job, JobStatus, Plan
from toolhone.roles import Permission, Role
from toolhone.server.dashboard.job_curves import MOST_POINTS
from toolhone.server.dashboard.meanings import meanings_of
from toolhone.storage.jobs import SqliteJobStore
from toolhone.stores import AuditQuery
from toolhone.training.kept_comparisons import KeptComparisons
from toolhone.training.model_comparison import Compared, Example, ModelComparison, Side

Site: TypeAlias = Json
OpenSite: TypeAlias = Json
Visitor: TypeAlias = Json

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\u202e'
SEEN = "<script>alert(1)</script>"
AT = "2026-11-23T10:00:00.000000+00:00"

EMPTY = ("/snapshots", "/datasets", "/jobs", "/models", "/comparisons", "/selector")


def snapshot(number: int, **changes: Json) -> JsonObject:
    return {
        "agent_id": f"agent-{number}",
        "agent_name": "Somebody",
        "category": "ecommerce",
        "task_type": "price",
        "input_data": {"number": number},
        "output_data": {"answer": number},
        "success": True,
        "performance_score": 0.9,
        "execution_time_ms": 5.0,
        **changes,
    }


def side(name: str, score: float) -> Side:
    return Side(
        name=name,
        score=Interval(score, score - 0.1, score + 0.1),
        latency_p50_ms=10.0,
        latency_p95_ms=None,
        cost_usd=0.25,
        prompt_tokens=10,
        completion_tokens=5,
        turns=4,
        errors=0,
    )


def comparison(name: str) -> ModelComparison:
    paired = PairedResult(
        difference=Interval(0.2, 0.1, 0.3), p_value=0.01, method=Method.COUNTED, wins=3, ties=1, losses=0
    )
    overall = Compared(n=4, a=side("the base", 0.5), b=side(name, 0.7), paired=paired)
    example = Example(
        row_id="row",
        task_type=name,
        asked={"role": "user", "content": name},
        expected={"role": "assistant", "content": name},
        a=None,
        b={"role": "assistant", "content": name},
        a_score=0.0,
        b_score=1.0,
    )
    return ModelComparison(
        at="2026-11-23T10:00:00.000000+00:00",
        category=None,
        dataset_id="data-1",
        scorer="exact",
        scorer_why=name,
        overall=overall,
        by_task_type={name: overall},
        differences=(0.0, 1.0, 1.0, 1.0),
        examples=(example,),
        conclusion=name,
        notes=(name,),
        comparison_id="compare_20261123_100000_00000000",
    )


@pytest.mark.parametrize("path", EMPTY)
async def test_a_page_without_data_says_what_brings_it(admin: Visitor, path: str) -> None:
    page = await admin.get(path)
    assert "Here will be" in page.text
    assert "toolhone " in page.text


@pytest.mark.parametrize(
    ("path", "role"),
    [("/access", Role.OPERATOR), ("/privacy", Role.OPERATOR), ("/settings", Role.AGENT)],
)
async def test_a_page_is_shown_only_to_who_may_see_it(site: Site, path: str, role: Role) -> None:
    async with site.visitor(role) as visitor:
        page = await visitor.get(path, status=403)
        assert "has not the permission" in page.text
        assert path not in (await visitor.get("/")).links()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/jobs/budget", {"category": "ecommerce", "limit_usd": "5"}),
        ("/jobs/any/approve", {}),
        ("/jobs/any/cancel", {}),
        ("/jobs/any/retry", {}),
        ("/aliases/promote", {"model": "any", "alias": "production"}),
        ("/aliases/rollback", {"category": "ecommerce", "alias": "production"}),
        ("/selector/promote", {"version": "any"}),
        ("/selector/rollback", {}),
        ("/access/issue", {"name": "any", "role": "admin"}),
        ("/access/any/revoke", {}),
        ("/access/end-logins", {}),
        ("/privacy/prune", {}),
        ("/privacy/prune-audit", {}),
        ("/privacy/export", {}),
        ("/privacy/backup", {}),
        ("/privacy/ask", {"kind": "agent", "name": "any"}),
        ("/privacy/erase", {"kind": "agent", "name": "any", "again": "any"}),
    ],
)
async def test_an_operator_does_nothing_that_takes_an_admin(
    site: Site, path: str, fields: dict[str, str]
) -> None:
    async with site.visitor(Role.OPERATOR) as operator:
        answer = await operator.post(path, **fields)
        assert answer.status_code == 403, answer.text[:300]


async def test_a_form_without_its_token_does_nothing(site: Site, admin: Visitor) -> None:
    forged = {"name": "forged", "role": "admin"}
    answer = await admin.client.post("/access/issue", data=forged, headers={"Origin": site.url})
    assert answer.status_code == 403
    assert "forged" not in (await admin.get("/access")).text


async def test_work_of_agents_is_shown_and_never_run(open_site: OpenSite) -> None:
    fields = dict.fromkeys(("agent_id", "agent_name", "task_type"), HOSTILE)
    async with open_site() as site, site.visitor() as admin:
        system = await site.app.finetuning()
        hostile = snapshot(1, **fields, input_data={"a": HOSTILE}, output_data={"b": HOSTILE})
        await system.collect([hostile], caller=LOCAL_CALLER)
        page = await admin.get("/snapshots")
        assert page.runs() == []
        assert SEEN in page.text and "{{ 7 * 7 }}" in page.text
        assert "\u202e" not in page.html


async def test_snapshots_are_paged_each_of_them_once(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        system = await site.app.finetuning()
        await system.collect([snapshot(number) for number in range(60)], caller=LOCAL_CALLER)
        path, agents = "/snapshots?category=ecommerce", list[str]()
        while path:
            page = await admin.get(path)
            agents += [word for word in page.text.split() if word.startswith("agent-")]
            older = [link for link in page.links() if "cursor=" in link]
            path = f"/snapshots{older[0]}" if older else ""
        assert sorted(agents) == sorted(f"agent-{number}" for number in range(60))


def keep_training(store: SqliteJobStore) -> None:
    """The job `job_1`, which runs, as far as the store knows."""
    config = FinetuningConfig(category=Category.ECOMMERCE)
    estimate = Estimate(
        trained_tokens=7, cost_usd=0.0, upper_bound_usd=0.0, price_source="free", honoured={}, warnings=()
    )
    store.add_plan(
        Plan(
            plan_id="plan_1",
            created_at=AT,
            expires_at=AT,
            dataset_id="d",
            dataset_hash="h",
            config=config,
            estimate=estimate,
            needs_approval=False,
        )
    )
    store.create(
        Job(
            job_id="job_1",
            plan_id="plan_1",
            category=Category.ECOMMERCE,
            provider=FinetuningProvider.LOCAL,
            dataset_id="d",
            config=config,
            status=JobStatus.AWAITING_APPROVAL,
            created_at=AT,
            updated_at=AT,
        )
    )


async def test_a_comparison_is_shown_and_never_run(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        made = comparison(HOSTILE)
        KeptComparisons(site.app.settings.data / "comparisons").keep(made)
        for path in ("/comparisons", f"/comparisons/{made.comparison_id}"):
            page = await admin.get(path)
            assert page.runs() == []
            assert SEEN in page.text
        answer = await admin.client.get(f"/comparisons/{made.comparison_id}/report")
        # It has scripts of its own, so it is handed out as a file and is never a page of this site.
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"] == "sandbox"
        assert answer.text.startswith("<!doctype html>")
        await admin.get("/comparisons/..%2f..%2faccess.db", status=404)


async def test_a_report_is_made_in_a_thread_so_that_nobody_else_waits_for_it(
    open_site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[threading.Thread] = []

    def html_report(found: ModelComparison) -> str:
        made_in.append(threading.current_thread())
        return "<!doctype html>"

    monkeypatch.setattr("toolhone.training.comparison_report.html_report", html_report)
    async with open_site() as site, site.visitor() as admin:
        made = comparison(HOSTILE)
        KeptComparisons(site.app.settings.data / "comparisons").keep(made)
        for path in ("/comparisons", "/api/v1/comparisons"):
            answer = await admin.client.get(f"{path}/{made.comparison_id}/report")
            assert (answer.status_code, answer.headers["content-security-policy"]) == (200, "sandbox")

    assert len(made_in) == 2
    assert threading.main_thread() not in made_in


async def test_a_long_training_shows_a_few_of_its_figures_and_all_that_was_said(
    open_site: OpenSite,
) -> None:
    async with open_site() as site, site.visitor() as admin:
        store = SqliteJobStore(site.app.settings.data)
        keep_training(store)
        for step in range(700):
            data = {"attempt": 1, "step": step, "training_loss": 1.0}
            store.update("job_1", {}, at=AT, event=("metrics", f"step {step}", data))
        for number in range(110):
            store.update("job_1", {}, at=AT, event=("message", f"It goes on: {number:03}.", {}))
        store.close()

        page = await admin.get("/jobs/job_1")

    assert "It goes on: 109." in page.text and "It goes on: 000." not in page.text
    # The one that says that it was created, and the first of the messages.
    assert "11 earlier ones: toolhone jobs events job_1" in page.text
    assert "step 699" not in page.text
    assert 100 < page.html.count("1.0000") <= 2 * (MOST_POINTS + 2)


async def test_a_token_is_shown_once(site: Site, admin: Visitor) -> None:
    issued = await admin.post(
        "/access/issue",
        name=f"mine {HOSTILE.replace(chr(0x202E), '')}",
        role="agent",
        days="30",
        tools="a__*, b",
    )
    assert issued.status_code == 200
    text = issued.text.partition('id="token">')[2].partition("<")[0]
    token = await site.app.tokens.verify(text)
    assert token is not None
    assert (token.role, token.tools, token.expires_at is None) == (Role.AGENT, ("a__*", "b"), False)

    page = await admin.get("/access")
    assert page.runs() == []
    assert token.token_id in page.text and text not in page.html
    await admin.post(f"/access/{token.token_id}/revoke")
    assert await site.app.tokens.verify(text) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": "0"},
        {"days": "3651"},
        {"days": "9" * 12},
        {"days": "9" * 5000},
        {"days": "soon"},
        {"days": "-1"},
        {"rate": "0"},
        {"rate": "1000001"},
    ],
)
async def test_a_number_that_means_nothing_issues_no_token(
    site: Site, admin: Visitor, wrong: dict[str, str]
) -> None:
    before = len(await site.app.tokens.tokens(caller=LOCAL_CALLER))
    answer = await admin.post("/access/issue", name="any", role="viewer", **wrong)
    assert answer.status_code == 400
    assert "write a whole number from 1 to" in answer.text
    assert len(await site.app.tokens.tokens(caller=LOCAL_CALLER)) == before


async def test_ending_all_logins_ends_all_but_ones_own(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin, site.visitor(Role.VIEWER) as viewer:
        async with site.stranger() as by_code, site.stranger() as late:
            code, unused = site.entrance.login_code(), site.entrance.login_code()
            assert (await by_code.get(f"/login?code={code}")).status_code == 200
            assert (await by_code.get("/jobs")).status_code == 200

            answer = await admin.post("/access/end-logins")
            assert answer.status_code == 303
            assert "All other browsers are logged out" in (await admin.get(answer.headers["location"])).text
            assert (await by_code.get("/jobs")).status_code == 401
            assert (await viewer.client.get("/jobs")).status_code == 401
            assert (await late.get(f"/login?code={unused}")).status_code == 401
        (row,) = [
            row
            for row in await site.app.audit.query(AuditQuery(kinds=[EventKind.ACCESS], limit=None))
            if row["details"]["what"] == "logins_ended"
        ]
        assert row["user_id"].startswith("token:")


async def test_who_only_monitors_is_shown_no_work(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor(Role.VIEWER) as viewer:
        system = await site.app.finetuning()
        await system.collect([snapshot(1)], caller=LOCAL_CALLER)
        made = comparison("said in confidence")
        KeptComparisons(site.app.settings.data / "comparisons").keep(made)
        whole = ("/snapshots", f"/comparisons/{made.comparison_id}")
        for path in (*whole, f"/comparisons/{made.comparison_id}/report"):
            assert "'read_work'" in (await viewer.get(path, status=403)).text
        overview, listed = await viewer.get("/"), await viewer.get("/comparisons")
        assert "ecommerce" in overview.text
        assert not {*whole} & {*overview.links(), *listed.links()}

    async with open_site() as site, site.visitor(Role.OPERATOR) as operator:
        for path in whole:
            await operator.get(path)
            assert path in (await operator.get("/")).links() + (await operator.get("/comparisons")).links()


async def test_the_table_of_roles_has_every_permission(admin: Visitor) -> None:
    text = (await admin.get("/access")).text

    for permission in Permission:
        assert f"{meanings_of(Permission)[permission.name]} {permission.value}" in text
    assert "end logins" in text  # as the source of the permission says


async def test_settings_show_no_password_of_an_address(open_site: OpenSite) -> None:
    async with (
        open_site(openai_url="https://me:hunter2secret@example.com/v1") as site,
        site.visitor(Role.OPERATOR) as operator,
    ):
        page = await operator.get("/settings")
        assert "hunter2secret" not in page.html
        assert "OPENAI_API_KEY" in page.text
        assert "Time limit of a call" in page.text


async def test_nothing_is_erased_before_its_id_was_typed_again(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        system = await site.app.finetuning()
        await system.collect([snapshot(1), snapshot(2)], caller=LOCAL_CALLER)

        asked = await admin.post("/privacy/ask", kind="agent", name="agent-1")
        assert "Nothing is erased yet" in asked.text
        wrong = await admin.post("/privacy/erase", kind="agent", name="agent-1", again="agent-2")
        assert wrong.status_code == 400
        assert "agent-1" in (await admin.get("/snapshots")).text

        erased = await admin.post("/privacy/erase", kind="agent", name="agent-1", again="agent-1")
        assert erased.status_code == 200
        left = (await admin.get("/snapshots")).text
        assert "agent-1" not in left and "agent-2" in left


async def test_a_budget_is_set_and_taken_away(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        await admin.post("/jobs/budget", category="ecommerce", limit_usd="7.50")
        assert "$7.50" in (await admin.get("/jobs")).text
        assert (await admin.post("/jobs/budget", category="ecommerce", limit_usd="much")).status_code == 400
        less = await admin.post("/jobs/budget", category="ecommerce", limit_usd="-1")
        assert less.status_code == 409
        await admin.post("/jobs/budget", category="ecommerce", limit_usd="")
        assert "$7.50" not in (await admin.get("/jobs")).text


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/no-such",
        "/datasets/no-such",
        "/models/no-such",
        "/comparisons/no-such",
        "/selector/promote?version=no-such",
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(admin: Visitor, path: str) -> None:
    assert "no-such" in (await admin.get(path, status=404)).text


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?category=x",
        "/jobs?state=x",
        "/snapshots?cursor=x",
        "/snapshots?outcome=x",
        "/models?category=x",
        "/?window=x",
    ],
)
async def test_a_filter_that_means_nothing_is_refused(admin: Visitor, path: str) -> None:
    await admin.get(path, status=400)


async def test_data_of_charts_cannot_end_its_element(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        made = comparison(HOSTILE)
        KeptComparisons(site.app.settings.data / "comparisons").keep(made)
        page = await admin.get(f"/comparisons/{made.comparison_id}")
        assert json.dumps(page.data("scores-data")["labels"]).count("script") == 2
