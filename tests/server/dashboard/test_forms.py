"""Forms of learning: a dataset is prepared, a training planned and created, two models compared."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anyio
import httpx2
import pytest

from toolhone.errands import ErrandKind, Report
from toolhone.exceptions import InsufficientDataError
from toolhone.models import LOCAL_CALLER, Category, Json, JsonObject
from toolhone.records.datasets import DatasetRequest
from toolhone.roles import Permission, Role

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

Site: TypeAlias = Json
OpenSite: TypeAlias = Json
Visitor: TypeAlias = Json
Page: TypeAlias = Json

PATIENCE = 60.0
BASE, OTHER = "gpt-4.1-mini-2025-04-14", "gpt-4o-mini"
HOSTILE = '"><script>alert(1)</script>{{ 7 * 7 }}'

WORDS = [f"{first}{second}{third}" for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]

DATASET = {
    "category": "core_security",
    "min_samples": "20",
    "max_samples": "1000",
    "quality_threshold": "0.7",
    "time_range_days": "30",
    "split_by": "group",
    "balance": "yes",
}
TRAINING = {
    "category": "core_security",
    "provider": "openai",
    "base_model": BASE,
    "n_epochs": "2",
    "max_training_cost_usd": "5",
    "max_training_hours": "1.23456789",
    "tags": "nightly, second ",
}
COMPARISON = {"a": f"openai:{OTHER}", "b": f"openai:{BASE}", "category": "core_security"}

PRICES = """
["127.0.0.1".models."{model}"]
training_usd_per_million = 5.0
input_usd_per_million = 0.8
output_usd_per_million = 3.2
base_input_usd_per_million = 0.4
base_output_usd_per_million = 1.6
as_of = 2026-11-01
source = "the tests"
"""


def snapshot(number: int) -> JsonObject:
    word = WORDS[number] * 8
    return {
        "agent_id": "scanner",
        "agent_name": "Scanner",
        "category": "core_security",
        "task_type": ("scan", "fix")[number % 2],
        "input_data": {"query": f"look at {word} for holes"},
        "output_data": {"content": f"{word} is clean"},
        "success": True,
        "performance_score": 0.95,
        "execution_time_ms": 120.5,
    }


async def collected(site: Site) -> None:
    system = await site.app.finetuning()
    await system.collect([snapshot(number) for number in range(200)], caller=LOCAL_CALLER)


async def prepared(site: Site) -> str:
    await collected(site)
    system = await site.app.finetuning()
    request = DatasetRequest(category=Category.CORE_SECURITY, min_samples=20)
    return (await system.prepare_dataset(request, caller=LOCAL_CALLER)).dataset_id


async def ended(site: Site, visitor: Visitor, answer: httpx2.Response) -> tuple[str, Page]:
    """The page of the errand that a form led to, when it is over."""
    place = answer.headers["location"]
    await site.app.host.errands.wait(place.rpartition("/")[2], seconds=PATIENCE)
    return place, await visitor.get(place)


async def followed(site: Site, visitor: Visitor, answer: httpx2.Response) -> tuple[str, Page]:
    """Where a form leads in the end, with the page of the errand between if it took a while."""
    assert answer.status_code == 303, answer.text
    place = answer.headers["location"]
    if place.startswith("/errands/"):
        _, page = await ended(site, visitor, answer)
        (place,) = [one["href"] for one in page.every("a") if "primary" in one.get("class", "")]
    return place, await visitor.get(place)


def field(page: Page, name: str) -> JsonObject:
    """A field of a page, by its name."""
    (found,) = [
        one
        for tag in ("input", "select", "textarea")
        for one in page.every(tag)
        if one.get("name") == name and one.get("type") != "hidden"
    ]
    return found


def chosen(page: Page) -> list[str]:
    return [one["value"] for one in page.every("option") if "selected" in one]


@pytest.fixture
def openai(openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JsonObject:
    """Settings for a service that trains and answers."""
    monkeypatch.setenv("OPENAI_API_KEY", openai_api.api_key)
    openai_api.models = {BASE: {}, OTHER: {}}
    prices = tmp_path / "prices.toml"
    prices.write_text("".join(PRICES.format(model=model) for model in (BASE, OTHER)))
    return {"openai_url": openai_api.base_url, "prices": prices}


async def test_a_dataset_is_prepared_from_the_form(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        await collected(site)
        form = await admin.get("/datasets/new")
        assert "core_security (200 snapshots)" in form.text
        place, page = await followed(site, admin, await admin.post("/datasets/new", **DATASET))
        (made,) = await (await site.app.finetuning()).datasets(caller=LOCAL_CALLER)
        assert place == f"/datasets/{made.dataset_id}"
        assert made.request["balance"] is True
        assert f"/jobs/new?category=core_security&dataset_id={made.dataset_id}" in page.links()


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("min_samples", "many", "This is no whole number."),
        ("min_samples", "9" * 5_000, "This is no whole number."),
        ("max_samples", "1000001", "Write 1,000,000 or less."),
        ("quality_threshold", "1.5", "Write 1 or less."),
        ("quality_threshold", "nan", "Write "),
        ("time_range_days", "0", "Write 1 or more."),
        ("category", "none_such", "Choose one of the list."),
        ("category", "", "This is needed."),
        ("split_by", HOSTILE, "Choose one of the list."),
        ("balance", "perhaps", "Choose one of the list."),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_is_kept(
    site: Site, admin: Visitor, name: str, typed: str, said: str
) -> None:
    answer = await admin.post("/datasets/new", **{**DATASET, name: typed})
    assert answer.status_code == 422
    page = type(await admin.get("/datasets"))(answer.text)
    wrong = field(page, name)
    assert wrong["aria-invalid"] == "true"
    assert wrong["aria-describedby"].split()[0] == f"{name}-wrong"
    assert said in page.text
    kept = {one["name"]: one.get("value") for one in page.every("input") if one.get("name") in DATASET}
    assert kept == {key: {**DATASET, name: typed}[key] for key in kept} and len(kept) == 4
    assert {typed if name in {"category", "split_by", "balance"} else "core_security"} <= {*chosen(page)}
    assert page.runs() == []
    assert site.app.host.errands.going(ErrandKind.DATASET, caller=LOCAL_CALLER) == []


async def test_too_little_to_prepare_from_is_said_beside_the_number_of_rows(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin:
        await collected(site)
        answer = await admin.post(
            "/datasets/new", **{**DATASET, "min_samples": "5000", "max_samples": "6000"}
        )
        if answer.status_code == 303:  # it took long enough to be shown while it went on
            _, page = await ended(site, admin, answer)
            form = await admin.get(next(link for link in page.links() if link.startswith("/datasets/new?")))
            assert field(form, "min_samples")["value"] == "5000"
        else:
            assert answer.status_code == 422
            assert 'id="min_samples-wrong"' in answer.text
            assert 'value="5000"' in answer.text
        assert await (await site.app.finetuning()).datasets(caller=LOCAL_CALLER) == []


async def test_work_that_takes_long_is_shown_while_it_goes_on_and_can_be_stopped(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as admin, site.visitor(Role.OPERATOR) as operator:
        begun = anyio.Event()

        async def long(report: Report) -> str:
            report(HOSTILE, 2_500, 10_000)
            begun.set()
            await anyio.sleep_forever()
            return ""

        errand = site.app.host.errands.begin(
            ErrandKind.DATASET, "Preparing a dataset", long, asked=DATASET, caller=LOCAL_CALLER
        )
        await begun.wait()
        page = await admin.get(f"/errands/{errand.errand_id}")
        assert "2,500 of 10,000" in page.text and "<script>" in page.text
        assert page.runs() == []
        assert f"/errands/{errand.errand_id}" in (await admin.get("/datasets")).links()
        assert f"/errands/{errand.errand_id}" not in (await operator.get("/datasets")).links()
        await operator.get(f"/errands/{errand.errand_id}", status=403)
        assert (await operator.post(f"/errands/{errand.errand_id}/stop")).status_code == 403

        stopped = await admin.post(f"/errands/{errand.errand_id}/stop")
        page = await admin.get(stopped.headers["location"])
        assert "It was stopped." in page.text
        again = next(link for link in page.links() if link.startswith("/datasets/new?"))
        assert field(await admin.get(again), "min_samples")["value"] == "20"
        assert (await admin.post(f"/errands/{errand.errand_id}/stop")).status_code == 409


async def test_work_that_fails_later_says_why_and_leads_back_to_the_form(site: Site, admin: Visitor) -> None:
    async def refused(report: Report) -> str:
        raise InsufficientDataError(f"Too little: {HOSTILE}")

    errand = site.app.host.errands.begin(
        ErrandKind.DATASET, "Preparing", refused, asked={"category": "ecommerce"}, caller=LOCAL_CALLER
    )
    await site.app.host.errands.wait(errand.errand_id, seconds=PATIENCE)
    page = await admin.get(f"/errands/{errand.errand_id}")
    assert "Too little: " in page.text and "insufficient_data" in page.text
    assert page.runs() == []
    assert "/datasets/new?category=ecommerce" in page.links()
    assert "forgotten" in (await admin.get("/errands/no-such", status=404)).text


async def test_a_training_is_estimated_before_it_is_created(open_site: OpenSite, openai: JsonObject) -> None:
    async with open_site(**openai) as site, site.visitor() as admin:
        dataset_id = await prepared(site)
        form = await admin.get(f"/jobs/new?category=core_security&dataset_id={dataset_id}")
        assert {"core_security", dataset_id, "openai"} <= {*chosen(form)}
        assert field(form, "max_training_cost_usd")["value"] == "100"

        typed = {**TRAINING, "dataset_id": dataset_id}
        place, plan = await followed(site, admin, await admin.post("/jobs/new", **typed))
        assert place.startswith("/jobs/plans/plan_")
        system = await site.app.finetuning()
        assert await system.jobs(caller=LOCAL_CALLER) == []
        made = await system.plan(place.rpartition("/")[2], caller=LOCAL_CALLER)
        assert made.config.tags == ("nightly", "second")
        rows = (await system.dataset(dataset_id, caller=LOCAL_CALLER)).counts["train"]
        assert f"Rows {rows} to train on" in plan.text
        assert "the job will wait until somebody approves" in plan.text
        change = next(link for link in plan.links() if link.startswith("/jobs/new?"))
        again = await admin.get(change)
        assert field(again, "base_model")["value"] == BASE
        assert field(again, "tags")["value"] == "nightly, second"
        assert field(again, "max_training_hours")["value"] == "1.23456789"

        created = await admin.post(f"{place}/create")
        address, told = created.headers["location"].split("?")
        page = await admin.get(created.headers["location"])
        assert told == "done=waits" and "it waits until somebody approves it" in page.text
        twice = await admin.post(f"{place}/create")
        assert twice.headers["location"].split("?")[0] == address
        (job,) = await system.jobs(caller=LOCAL_CALLER)
        assert job.dataset_id == dataset_id and f"/jobs/{job.job_id}" == address
        assert address in (await admin.get(place)).links()
        assert f"{place}/create" not in [one["action"] for one in (await admin.get(place)).every("form")]


async def test_what_a_provider_refuses_stands_beside_its_field(
    open_site: OpenSite, openai: JsonObject
) -> None:
    async with open_site(**openai) as site, site.visitor() as admin:
        dataset_id = await prepared(site)
        for name, typed in (
            ("max_training_cost_usd", "0.000001"),
            ("min_training_samples", "5000"),
            ("base_model", ""),
            ("n_epochs", "51"),
            ("scorer", "none_such"),
        ):
            answer = await admin.post("/jobs/new", **{**TRAINING, "dataset_id": dataset_id, name: typed})
            assert answer.status_code == 422, (name, answer.text[:300])
            if name != "scorer":
                assert f'id="{name}-wrong"' in answer.text, name
        none = await admin.post("/jobs/new", **{**TRAINING, "category": "ecommerce"})
        assert none.status_code == 422 and 'id="category-wrong"' in none.text
        unable = await admin.post("/jobs/new", **{**TRAINING, "provider": "anthropic"})
        assert unable.status_code == 422 and 'id="provider-wrong"' in unable.text
        assert await (await site.app.finetuning()).jobs(caller=LOCAL_CALLER) == []


async def test_a_comparison_names_its_cost_and_costs_no_more(open_site: OpenSite, openai: JsonObject) -> None:
    async with open_site(**openai) as site, site.visitor() as admin:
        await prepared(site)
        system = await site.app.finetuning()
        bound = await system.comparison_usd(
            COMPARISON["a"], COMPARISON["b"], category=Category.CORE_SECURITY, caller=LOCAL_CALLER
        )
        query = "&".join(f"{name}={value}" for name, value in COMPARISON.items())
        asked = await admin.get(f"/comparisons/new?{query}")
        proposed = float(field(asked, "max_cost_usd")["value"])
        assert bound <= proposed < bound + 0.0002
        assert "It may cost up to $" in asked.text

        for too_little in ("", "0", "0.000001"):
            answer = await admin.post("/comparisons/new", **COMPARISON, max_cost_usd=too_little)
            assert answer.status_code == 422
            assert "Nothing was asked" in answer.text and 'id="max_cost_usd-wrong"' in answer.text
        wrong = await admin.post("/comparisons/new", **COMPARISON, max_cost_usd="much")
        assert (
            wrong.status_code == 422 and "This is no number." in wrong.text and 'value="much"' in wrong.text
        )
        assert await system.comparisons(caller=LOCAL_CALLER) == []

        begun = await admin.post("/comparisons/new", **COMPARISON, max_cost_usd=str(proposed))
        place, page = await followed(site, admin, begun)
        (made,) = await system.comparisons(caller=LOCAL_CALLER)
        assert place == f"/comparisons/{made.comparison_id}"
        assert 0 < made.paid_usd <= proposed
        assert f"openai:{BASE}" in page.text

        # All of it has been answered, so that it is free now.
        assert "It costs nothing" in (await admin.get(f"/comparisons/new?{query}")).text
        place, _ = await followed(site, admin, await admin.post("/comparisons/new", **COMPARISON))
        assert place != f"/comparisons/{made.comparison_id}"


async def test_who_may_not_spend_starts_nothing_that_costs(open_site: OpenSite, openai: JsonObject) -> None:
    scopes = [Permission.PREPARE, Permission.MONITOR, Permission.FIND_TOOLS]
    async with open_site(**openai) as site, site.visitor(scopes=scopes) as preparer:
        await prepared(site)
        query = "&".join(f"{name}={value}" for name, value in COMPARISON.items())
        page = await preparer.get(f"/comparisons/new?{query}")
        assert "let an admin start it" in page.text
        answer = await preparer.post("/comparisons/new", **COMPARISON, max_cost_usd="5")
        assert answer.status_code == 403
        assert await (await site.app.finetuning()).comparisons(caller=LOCAL_CALLER) == []


async def test_a_model_or_dataset_that_is_not_there_is_said_beside_its_field(
    open_site: OpenSite, openai: JsonObject
) -> None:
    wrong: list[tuple[str, dict[str, str]]] = [
        ("a", {"a": "nobody", "b": f"openai:{BASE}"}),
        ("a", {"a": "ecommerce/production", "b": f"openai:{BASE}"}),
        ("b", {"a": f"openai:{BASE}", "b": HOSTILE}),
        ("b", {"a": f"openai:{BASE}", "b": ""}),
        ("dataset_id", {**COMPARISON, "dataset_id": "no-such"}),
        ("category", {**COMPARISON, "category": ""}),
        ("category", {**COMPARISON, "category": "ecommerce"}),
    ]
    async with open_site(**openai) as site, site.visitor() as admin:
        await prepared(site)
        for name, asked in wrong:
            given = httpx2.QueryParams({"category": "core_security", **asked})
            page = await admin.get(f"/comparisons/new?{given}", status=422)
            assert field(page, name)["aria-invalid"] == "true", asked
            kept = {one["name"]: one["value"] for one in page.every("input") if one.get("name") in {"a", "b"}}
            assert kept == {side: asked[side] for side in ("a", "b")}
            assert page.runs() == []


@pytest.mark.parametrize("path", ["/datasets/new", "/jobs/new", "/jobs/plans/any/create", "/comparisons/new"])
async def test_an_operator_is_shown_no_form_and_sends_none(site: Site, path: str) -> None:
    async with site.visitor(Role.OPERATOR) as operator:
        if path.endswith("new"):
            await operator.get(path, status=403)
            listed = path.removesuffix("/new")
            assert path not in (await operator.get(listed)).links()
        assert (await operator.post(path, **DATASET)).status_code == 403


@pytest.mark.parametrize("path", ["/datasets", "/jobs", "/comparisons"])
async def test_a_page_without_data_leads_to_the_form_that_brings_it(admin: Visitor, path: str) -> None:
    assert f"{path}/new" in (await admin.get(path)).links()


async def test_a_form_that_another_page_sends_begins_nothing(site: Site, admin: Visitor) -> None:
    for path in ("/datasets/new", "/jobs/new", "/comparisons/new"):
        answer = await admin.client.post(path, data=DATASET, headers={"Origin": site.url})
        assert answer.status_code == 403
