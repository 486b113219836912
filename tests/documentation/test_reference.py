"""The pages that are made from the code say what the code says."""

import re
from pathlib import Path
from typing import cast

import pytest
from prometheus_client.metrics import MetricWrapperBase

from documentation.__main__ import DOCS, PAGES, main
from toolhone.app import App
from toolhone.server.metrics import Metrics
from toolhone.settings import config_folder, data_folder


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: make reference"


def test_a_stale_page_is_named_and_ends_in_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("documentation.__main__.DOCS", tmp_path)
    monkeypatch.setattr("documentation.__main__.PAGES", {"reference/one.md": lambda: "one\n"})

    assert main(["--check"]) == 1
    assert "docs/reference/one.md" in capsys.readouterr().err
    assert main([]) == 0
    assert (tmp_path / "reference" / "one.md").read_text() == "one\n"
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    text = PAGES[name]()

    assert [str(own) for own in (Path.home(), DOCS, config_folder(), data_folder()) if str(own) in text] == []


def test_the_documented_metrics_are_those_that_there_are() -> None:
    page = (DOCS / "observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(toolhone_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", labels) for name, labels in rows}

    assert documented == metrics()


def metrics() -> dict[str, list[str]]:
    """Every metric of ours as it is called in the answer, with its labels."""
    # Nothing is asked of the app before something is counted.
    registry = Metrics(cast(App, None)).registry
    found: dict[str, list[str]] = {}
    for collector, names in registry._collector_to_names.items():
        # The collector of the process's own figures is none.
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name in names
            labels: tuple[str, ...] = vars(collector)["_labelnames"]
            found[name] = list(labels)
    return found
