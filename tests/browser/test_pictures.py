"""Pictures of the main pages for the documentation; `make screenshots` keeps them in docs/images."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page

if TYPE_CHECKING:
    from browser.world import World

PICTURES = {
    "overview": "/",
    "search": "/tools/search?task=find+text+in+files",
    "request": "/audit/requests/REQUEST",
    "audit": "/audit",
    "dataset": "/datasets/DATASET",
    "job": "/jobs/JOB",
    "comparison": "/comparisons/COMPARISON",
    "access": "/access",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_main_pages(
    world: "World", signed_in: Callable[..., Page], scheme: str, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("TOOLHONE_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page = signed_in(color_scheme=scheme, reduced_motion="reduce")
    for name, path in PICTURES.items():
        page.goto(world.address(path))
        page.wait_for_load_state("networkidle")
        # An open port is another one each time.
        picture = page.screenshot(path=folder / f"{name}-{scheme}.png", animations="disabled")
        assert len(picture) > 20_000, f"{name} is nearly empty"


def test_a_picture_of_a_phone(world: "World", signed_in: Callable[..., Page], tmp_path: Path) -> None:
    folder = Path(os.environ.get("TOOLHONE_PICTURES") or tmp_path)
    page = signed_in(viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True)
    page.get_by_role("button", name=re.compile("Menu")).wait_for()
    picture = page.screenshot(path=folder / "phone.png", animations="disabled")
    assert len(picture) > 20_000
