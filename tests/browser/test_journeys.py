"""What people come to the dashboard for, from the first click to the last."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from toolhone.models import JsonObject
from toolhone.records.jobs import JobStatus

if TYPE_CHECKING:
    from browser.world import World

LIVE = 30_000
"""Milliseconds in which what has changed must be shown."""

Open = Callable[..., BrowserContext]
SignedIn = Callable[..., Page]


def test_the_printed_address_logs_in_once(fresh_world: "World", open_context: Open) -> None:
    page = open_context().new_page()
    page.goto(fresh_world.login)
    page.wait_for_url(f"{fresh_world.url}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    # Somebody new learns on each page what will be there, and how.
    for name in ("Snapshots", "Datasets", "Jobs", "Models", "Selector"):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
        expect(page.locator(".empty .command").first).to_contain_text("toolhone")

    somebody_else = open_context(expected="401").new_page()
    answer = somebody_else.goto(fresh_world.login)
    assert answer is not None and "/login" in somebody_else.url
    expect(somebody_else.get_by_role("alert")).to_be_visible()


def test_a_tool_is_found_by_a_task(signed_in: SignedIn) -> None:
    page = signed_in()
    page.get_by_role("link", name="Tools", exact=True).click()
    page.get_by_role("main").get_by_role("link", name=re.compile("[Ss]earch")).first.click()
    page.locator("[name=task]").fill("compute the sha256 checksum of a file")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("task="))
    expect(page.get_by_role("main").get_by_role("link", name="hash_file").first).to_be_visible()


def test_a_call_is_followed_to_the_timeline_of_its_request(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    page.get_by_role("link", name="Audit", exact=True).click()
    page.locator(f'main a[href*="{world.names["REQUEST"]}"]').first.click()
    page.wait_for_url(re.compile("/audit/requests/"))
    drawn = page.locator(".timeline svg")
    expect(drawn).to_be_visible()
    expect(drawn).to_contain_text("hash_file")
    # Who sees no drawing reads the same in a table.
    expect(page.get_by_role("table").filter(has_text="hash_file").first).to_be_visible()


def test_a_training_is_approved_and_watched_until_it_is_over(world: "World", signed_in: SignedIn) -> None:
    service = world.service
    assert service is not None
    service.hold = "running"
    page = signed_in()
    job_id = world.order()
    page.goto(f"{world.url}/jobs/{job_id}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(re.compile("done=approved"))

    # From here on nobody touches the page.
    state = page.locator("#state")
    expect(state).to_contain_text("running", timeout=LIVE)
    expect(page.locator("#loss-numbers tbody tr")).to_have_count(5, timeout=LIVE)
    running = service.jobs[list(service.jobs)[-1]]
    service._measure(running, 6, 6)
    expect(page.locator("#loss-numbers tbody tr")).to_have_count(6, timeout=LIVE)
    points: list[float] = page.evaluate("Chart.getChart('loss').data.datasets[0].data")
    assert len(points) == 6 and points[0] > points[-1]
    service.hold = None
    expect(state).to_contain_text("succeeded", timeout=LIVE)
    expect(page.locator("#verdict")).to_contain_text("passed")
    spent: list[float] = page.evaluate("Chart.getChart('cost').data.datasets[0].data")
    assert spent[-1] > 0


def test_a_training_is_cancelled_while_it_runs(world: "World", signed_in: SignedIn) -> None:
    service = world.service
    assert service is not None
    service.hold = "running"
    page = signed_in()
    job_id = world.order(approved=True)
    world.wait_for(job_id, JobStatus.RUNNING)
    page.goto(f"{world.url}/jobs/{job_id}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_contain_text("cancelled", timeout=LIVE)
    service.hold = None
    expect(page.get_by_role("button", name="Run again")).to_be_visible(timeout=LIVE)


def test_an_alias_is_promoted_and_rolled_back_after_a_question(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(world.address("/models/MODEL"))
    page.get_by_label("Alias of core_security").fill("trial")
    page.get_by_role("button", name="Promote…").click()
    expect(page.get_by_role("main")).to_contain_text("the base model")
    page.get_by_role("button", name="Promote", exact=True).click()
    row = page.get_by_role("row").filter(has_text="core_security/trial")
    expect(row).to_contain_text("ft:gpt-4.1-mini")
    row.get_by_role("link", name=re.compile("Roll")).click()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("row").filter(has_text="core_security/trial")).to_contain_text("the base model")


def test_a_token_is_issued_used_and_revoked(world: "World", signed_in: SignedIn) -> None:
    page = signed_in()
    page.get_by_role("link", name="Access", exact=True).click()
    page.get_by_label("What it is for").fill("the nightly agent")
    page.get_by_role("combobox", name="Role").select_option("agent")
    page.get_by_role("button", name="Issue").click()
    token = page.locator("#token").inner_text()
    assert token.startswith("thk_") and token not in page.url

    body: JsonObject = {"task_description": "hash a file"}
    used = world.rest("POST", "/finetuning/tools/select", body, token=token)
    assert used.status_code == 200, used.text

    page.goto(f"{world.url}/access")
    assert token not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke the nightly agent").click()
    expect(page.get_by_role("row").filter(has_text="the nightly agent")).to_contain_text("revoked")
    assert world.rest("POST", "/finetuning/tools/select", body, token=token).status_code == 401


def test_a_viewer_is_shown_nothing_that_it_may_not_do(world: "World", signed_in: SignedIn) -> None:
    issued = world.rest("POST", "/tokens", {"name": "a viewer", "role": "viewer"}).json()
    page = signed_in(issued["token"])
    links = page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert [text.strip() for text in links] == [
        *("Overview", "Tools", "Datasets", "Jobs", "Models", "Selector"),
    ]
    job_id = world.order()
    page.goto(f"{world.url}/jobs/{job_id}")
    assert page.get_by_role("main").get_by_role("button").count() == 0


def test_an_agent_is_erased_only_after_its_id_was_typed_again(world: "World", signed_in: SignedIn) -> None:
    page = signed_in(expected="400")
    page.goto(f"{world.url}/snapshots?agent=forgotten")
    collected = {**FORGOTTEN, "agent_id": "forgotten"}
    assert world.rest("POST", "/finetuning/collect", collected).status_code == 201
    page.reload()
    expect(page.get_by_role("row").filter(has_text="forgotten")).to_have_count(1)

    page.get_by_role("link", name="Privacy", exact=True).click()
    page.get_by_role("textbox", name="Id").fill("forgotten")
    page.get_by_role("button", name="Erase…").click()
    page.get_by_label("Type the id once more").fill("another")
    page.get_by_role("button", name="Erase for ever").click()
    expect(page.get_by_role("main")).to_contain_text("Nothing was erased")

    page.get_by_label("Type the id once more").fill("forgotten")
    page.get_by_role("button", name="Erase for ever").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Erased")
    page.goto(f"{world.url}/snapshots?agent=forgotten")
    expect(page.get_by_role("main")).to_contain_text("No snapshot is like this")


FORGOTTEN: JsonObject = {
    "agent_name": "Somebody",
    "category": "marketing_brand",
    "task_type": "write",
    "input_data": {"brief": "a slogan"},
    "output_data": {"slogan": "none"},
    "success": True,
    "performance_score": 0.9,
    "execution_time_ms": 10.0,
}


def test_the_keyboard_alone_is_enough(signed_in: SignedIn) -> None:
    page = signed_in()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(page.url.split("#")[0])
    names: list[str] = []
    for _ in range(20):
        page.keyboard.press("Tab")
        names.append(page.locator(":focus").inner_text().strip())
        if names[-1] == "Jobs":
            break
        outline: str = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{names[-1]!r} does not show that it has the focus"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    page.keyboard.press("Tab")


def test_the_menu_opens_and_closes_on_a_phone(signed_in: SignedIn) -> None:
    page = signed_in(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    menu = page.get_by_role("button", name="Menu")
    jobs = page.get_by_role("link", name="Jobs", exact=True)
    expect(jobs).to_be_hidden()
    menu.tap()
    expect(jobs).to_be_visible()
    page.keyboard.press("Escape")
    expect(jobs).to_be_hidden()
    menu.tap()
    jobs.tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


@pytest.mark.parametrize(("chosen", "other"), [("Light", "dark"), ("Dark", "light")])
def test_a_chosen_theme_stays(signed_in: SignedIn, chosen: str, other: str) -> None:
    page = signed_in(color_scheme=other)
    brightness = "getComputedStyle(document.querySelector('.side')).backgroundColor.match(/[0-9]+/)[0]"
    switch = page.locator("[data-theme-switch]")
    for _ in range(3):
        if chosen in switch.inner_text():
            break
        switch.click()
    page.reload()
    assert chosen in switch.inner_text()
    assert (int(page.evaluate(brightness)) > 128) is (chosen == "Light")


def test_text_of_agents_is_shown_and_never_run(world: "World", signed_in: SignedIn) -> None:
    hostile = "<img src=x onerror=document.title='run'>{{ 7 * 7 }}"
    body = {**FORGOTTEN, "agent_id": hostile, "agent_name": hostile, "task_type": hostile}
    body |= {"input_data": {"brief": hostile}, "output_data": {"slogan": "</script>" + hostile}}
    assert world.rest("POST", "/finetuning/collect", body).status_code == 201
    page = signed_in()
    for path in ("/snapshots?category=marketing_brand", "/audit", "/"):
        page.goto(world.url + path)
        assert page.title() != "run"
        assert page.locator("img[src=x]").count() == 0
    page.goto(f"{world.url}/snapshots?category=marketing_brand")
    expect(page.get_by_role("main")).to_contain_text(hostile)
