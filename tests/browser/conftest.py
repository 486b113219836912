"""A real browser before a real server: Debian's Chromium, driven by Playwright.

What a page writes to the console as an error, and every request of it that fails, fails the test.
"""

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from toolhone.records.jobs import JobStatus

if TYPE_CHECKING:
    from browser.world import World
    from providers.openai_server import Host

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

Open = Callable[..., BrowserContext]

# The machine may be busy; none of it is waited for in vain.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("TOOLHONE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.fail(
            "No Chromium was found. Install it with: apt-get install -y chromium; "
            "or name one in TOOLHONE_CHROMIUM.",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def load_world() -> type["World"]:
    name = "world_of_browser"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "world.py")
        assert spec and spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name].World


@pytest.fixture(scope="session")
def world(openai_host: "Host", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[World]":
    """A server with a past. It must have nothing to complain of at the end."""
    made = load_world()(tmp_path_factory.mktemp("world"), openai_host.new_service())
    made.fill()
    made.start()
    try:
        first = made.order(approved=True)
        made.use()
        job = made.wait_for(first, JobStatus.SUCCEEDED, JobStatus.GATE_FAILED, JobStatus.FAILED)
        assert job.status is JobStatus.SUCCEEDED, job.error
        made.names |= {"JOB": job.job_id, "MODEL": quote(job.model_id or "", safe="")}
        yield made
    finally:
        code, logged = made.end()
    assert code == 0
    assert "Traceback" not in logged, logged


@pytest.fixture
def fresh_world(tmp_path: Path) -> "Iterator[World]":
    """A server on an empty data folder, started for the first time."""
    made = load_world()(tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.end()


def watch(context: BrowserContext, expected: str | None) -> list[str]:
    """What goes wrong in the pages of a context, as it does; without what a test is about."""
    wrong: list[str] = []

    def note(what: str) -> None:
        if expected is None or not re.search(expected, what):
            wrong.append(what)

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            note(f"{message.type}: {message.text} ({message.location.get('url')})")

    def failed(request: Request) -> None:
        # A page that is left while it refreshes itself breaks off its own question.
        if request.failure != "net::ERR_ABORTED":
            note(f"{request.method} {request.url}: {request.failure}")

    context.on("console", said)
    context.on("requestfailed", failed)
    context.on("weberror", lambda error: note(f"uncaught: {error.error}"))
    return wrong


@pytest.fixture
def open_context(browser: Browser) -> Iterator[Open]:
    """Opens a browser of its own for a test; by default a desk's, in light colours.

    With `expected` what matches it may go wrong.
    """
    opened: list[tuple[BrowserContext, list[str]]] = []

    def make(expected: str | None = None, **options: Any) -> BrowserContext:
        usual: dict[str, Any] = {"viewport": DESK, "color_scheme": "light", "locale": "en-GB"}
        context = browser.new_context(**(usual | options))
        context.set_default_timeout(20_000)
        opened.append((context, watch(context, expected)))
        return context

    yield make
    for context, _ in opened:
        context.close()
    assert [line for _, wrong in opened for line in wrong] == []


@pytest.fixture
def signed_in(world: "World", open_context: Open) -> Callable[..., Page]:
    """A page of somebody who is logged in; by default an admin."""

    def make(token: str = "", **options: object) -> Page:
        page = open_context(**options).new_page()
        sign_in(page, world, token)
        return page

    return make


def sign_in(page: Page, world: "World", token: str = "") -> None:
    """Log in with a token, as a person does."""
    page.goto(f"{world.url}/login")
    page.get_by_label("Token").fill(token or world.token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{world.url}/")
