"""Every page, in both themes and on a phone: it is there, it is accessible, and it fits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page

if TYPE_CHECKING:
    from browser.world import World

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"

PAGES = (
    "/",
    "/servers",
    "/tools",
    "/tools/hash_file",
    "/tools/search?task=hash+a+file",
    "/audit",
    "/audit/requests/REQUEST",
    "/snapshots",
    "/datasets",
    "/datasets/DATASET",
    "/jobs",
    "/jobs/JOB",
    "/models",
    "/models/MODEL",
    "/aliases/promote?model=MODEL&alias=production",
    "/comparisons",
    "/comparisons/COMPARISON",
    "/selector",
    "/access",
    "/privacy",
    "/settings",
)


def findings(page: Page) -> list[str]:
    """What axe finds on the page that is serious."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert result["passes"], "axe looked at nothing"
    return [
        f"{one['id']} ({one['impact']}): {one['help']}; {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in result["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding(world: "World", signed_in: Callable[..., Page], scheme: str) -> None:
    page = signed_in(color_scheme=scheme, bypass_csp=True)
    found: dict[str, list[str]] = {}
    for path in PAGES:
        answer = page.goto(world.address(path))
        assert answer is not None and answer.status == 200, path
        if serious := findings(page):
            found[path] = serious
    assert found == {}


def test_the_login_has_no_serious_finding(
    world: "World", open_context: Callable[..., BrowserContext]
) -> None:
    page = open_context(bypass_csp=True).new_page()
    page.goto(f"{world.url}/login")
    assert findings(page) == []
    # Were there one, axe would tell.
    page.evaluate("document.querySelector('label').replaceWith(document.querySelector('[name=token]'))")
    assert any("label" in finding for finding in findings(page))


def test_no_page_is_wider_than_a_phone(world: "World", signed_in: Callable[..., Page]) -> None:
    page = signed_in(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    wide: dict[str, int] = {}
    for path in PAGES:
        page.goto(world.address(path))
        width: int = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[path] = width
    assert wide == {}


def test_every_page_has_one_heading_and_says_what_it_is(
    world: "World", signed_in: Callable[..., Page]
) -> None:
    page = signed_in()
    for path in PAGES:
        page.goto(world.address(path))
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert page.locator(".lead").first.inner_text().strip(), path
