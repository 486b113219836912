"""What is begun from the dashboard: datasets are prepared, trainings planned and created, models compared."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from playwright.sync_api import Page, expect

from toolhone.models import JsonObject

if TYPE_CHECKING:
    from browser.world import World

LIVE = 30_000
"""Milliseconds in which what has changed must be shown."""

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"

BASE, OTHER = "gpt-4.1-mini-2025-04-14", "gpt-4o-mini"

SignedIn = Callable[..., Page]


def looked_at(page: Page, name: str) -> None:
    """A picture of the page as it is, where somebody wants to see it."""
    if folder := os.environ.get("TOOLHONE_LOOK"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def serious(page: Page) -> list[str]:
    """What axe finds on the page that is serious."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert result["passes"], "axe looked at nothing"
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in result["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def until_it_is_there(page: Page, way: str) -> None:
    """Go to what a form made: at once, or through the page that shows how it goes."""
    if "/errands/" in page.url:
        page.get_by_role("link", name=way).click(timeout=LIVE)
        page.wait_for_url(lambda address: "/errands/" not in address)


def test_a_dataset_is_prepared_after_a_mistake_is_mended(signed_in: SignedIn) -> None:
    page = signed_in(expected="422")
    page.get_by_role("link", name="Datasets", exact=True).click()
    page.get_by_role("link", name="Prepare a dataset").click()
    page.get_by_label("Category").select_option("core_security")
    page.get_by_label("Rows at least").fill("many")
    page.get_by_label("Days back").fill("29")
    page.get_by_role("button", name="Prepare").click()
    wrong = page.get_by_label("Rows at least")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile("This is no whole number"))
    expect(wrong).to_have_value("many")
    expect(page.get_by_label("Days back")).to_have_value("29")
    looked_at(page, "dataset-wrong")

    page.get_by_role("alert").get_by_role("link").click()
    page.keyboard.type("20")
    expect(wrong).to_be_focused()
    wrong.fill("20")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/errands/|/datasets/core_security"))
    until_it_is_there(page, "See the dataset")
    expect(page.get_by_role("heading", level=1)).to_contain_text("core_security")
    expect(page.get_by_role("link", name="Train on it…")).to_be_visible()


def test_a_training_is_planned_seen_with_its_cost_and_created(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(world.address("/datasets/DATASET"))
    page.get_by_role("link", name="Train on it…").click()
    expect(page.get_by_label("Dataset")).to_have_value(world.names["DATASET"])
    page.get_by_label("Who trains").select_option("openai")
    page.get_by_label("Base model").fill(BASE)
    page.get_by_label("May cost at most (USD)").fill("5")
    looked_at(page, "job-new")
    page.get_by_role("button", name="Estimate").click()
    page.wait_for_url(re.compile("/errands/|/jobs/plans/"))
    until_it_is_there(page, "See the estimate")
    main = page.get_by_role("main")
    expect(main).to_contain_text("Costs at most")
    expect(main).to_contain_text("the job will wait until somebody approves")
    looked_at(page, "plan")

    page.get_by_role("button", name=re.compile("Create the job")).click()
    page.wait_for_url(re.compile("done=waits"))
    expect(page.locator("#state")).to_contain_text("awaiting approval")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_contain_text("cancelled", timeout=LIVE)


def test_two_models_are_compared_for_a_sum_that_was_agreed_to(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(world.address("/models/MODEL"))
    page.get_by_role("link", name=re.compile("Compare")).click()
    expect(page.get_by_label("A: what is there")).to_have_value(f"openai:{BASE}")
    page.get_by_label("A: what is there").fill(f"openai:{OTHER}")
    page.get_by_role("button", name="What would it cost?").click()
    expect(page.get_by_role("heading", name=re.compile(r"It may cost up to \$"))).to_be_visible()
    agreed = float(page.get_by_label("You agree to pay at most (USD)").input_value())
    assert 0 < agreed < 1
    looked_at(page, "comparison-new")
    page.get_by_role("button", name="Compare them").click()
    page.wait_for_url(re.compile("/errands/|/comparisons/compare_"))
    until_it_is_there(page, "See the comparison")
    expect(page.get_by_role("heading", level=1)).to_contain_text("against")


@pytest.mark.parametrize("javascript", [True, False])
def test_work_that_goes_on_is_seen_and_stopped(world: "World", signed_in: SignedIn, javascript: bool) -> None:
    service = world.service
    assert service is not None
    gate = threading.Event()

    async def held() -> None:
        await anyio.to_thread.run_sync(gate.wait)

    page = signed_in(java_script_enabled=javascript)
    page.goto(world.url + unanswered(world))
    service.meet = held
    try:
        page.get_by_role("button", name="Compare them").click()
        page.wait_for_url(re.compile("/errands/"))
        expect(page.get_by_role("main")).to_contain_text(re.compile("A answers [0-9]+ held-out requests"))
        looked_at(page, f"errand-{javascript}")
        address = page.url
        page.goto(f"{world.url}/comparisons")
        page.get_by_role("link", name=re.compile("Comparing openai")).click()
        assert page.url == address
        if javascript:
            page.on("dialog", lambda dialog: dialog.accept())
        else:
            expect(page.get_by_role("link", name="Look again")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status")).to_contain_text("It was stopped.", timeout=LIVE)
        looked_at(page, f"errand-stopped-{javascript}")
    finally:
        service.meet = None
        gate.set()
    page.get_by_role("link", name="Ask again").click()
    expect(page.get_by_label("B: what might take its place")).to_have_value(f"openai:{BASE}")


def unanswered(world: "World") -> str:
    """The form of a comparison that costs: by rows that nobody was asked yet."""
    wanted: JsonObject = {"category": "core_security", "min_samples": 20, "quality_threshold": 0.85}
    made = world.rest("POST", "/datasets", wanted)
    assert made.status_code == 201, made.text
    return f"/comparisons/new?a=openai:{OTHER}&b=openai:{BASE}&dataset_id={made.json()['dataset_id']}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_form_has_a_serious_finding(world: "World", signed_in: SignedIn, scheme: str) -> None:
    page = signed_in(expected="422", color_scheme=scheme, bypass_csp=True)
    found: dict[str, list[str]] = {}
    wrong = f"/comparisons/new?a=nobody&b=openai:{BASE}"
    forms = ("/datasets/new", "/jobs/new", "/comparisons/new", unanswered(world), wrong)
    for number, path in enumerate(forms):
        page.goto(world.url + path)
        found[path] = serious(page)
        looked_at(page, f"form-{number}-{scheme}")
    for path in ("/datasets/new", "/jobs/new"):
        page.goto(world.url + path)
        page.evaluate("for (const one of document.querySelectorAll('[required]')) one.required = false")
        page.locator("main form .primary").click()
        expect(page.get_by_role("alert")).to_be_visible()
        found[f"{path} (wrong)"] = serious(page)
        looked_at(page, f"{path.replace('/', '-')}-{scheme}-wrong")
    assert found == {path: [] for path in found}


def test_no_form_is_wider_than_a_phone(world: "World", signed_in: SignedIn) -> None:
    page = signed_in(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for number, path in enumerate(("/datasets/new", "/jobs/new", unanswered(world))):
        page.goto(world.url + path)
        looked_at(page, f"phone-{number}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_selector_shows_what_was_learned(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{world.url}/selector")
        page.wait_for_load_state("networkidle")
        looked_at(page, f"selector-{scheme}")
    learned = page.get_by_role("table", name="Learned versions")
    expect(learned.get_by_role("rowheader")).to_have_count(2)
    expect(learned).to_contain_text("active")
    points: list[float] = page.evaluate("Chart.getChart('quality').data.datasets[0].data")
    assert len(points) == 2 and all(0 < point <= 1 for point in points)
    # What can be done with a version is in sight, without scrolling to the side.
    width: list[int] = page.evaluate(
        "(box => [box.scrollWidth, box.clientWidth])(document.querySelector('[aria-label^=Learned]'))"
    )
    assert width[0] <= width[1]
    page.set_viewport_size({"width": 390, "height": 844})
    looked_at(page, "selector-phone")
