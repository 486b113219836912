"""A page is one file: nothing is fetched, and nothing that models wrote becomes markup."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.plots.page import LONGEST, Chart, Series, asset, block, chart_library, page, table, text

LIBRARY = "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2"
"""SHA-256 of Chart.js 4.6.1 as it is published."""

HOSTILE = "</script></pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x00\ud800"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def chart(label: str = "one") -> Chart:
    return Chart(
        id="figure-1",
        caption=label,
        summary=label,
        labels=[label],
        series=[Series(label=label, values=[0.5], texts=[label], intervals=[(0.25, 0.75)])],
        y="Score",
    )


def hostile_page() -> str:
    figure = chart(HOSTILE)
    body = (
        f"<h1>{text(HOSTILE)}</h1>{block(HOSTILE)}{table(HOSTILE, [HOSTILE], [[HOSTILE]])}{figure.figure()}"
    )
    return page(HOSTILE, body, [figure])


def test_the_library_is_the_published_one_and_its_licence_is_beside_it() -> None:
    source = asset("chart.umd.min.js")
    published = (resources.files("toolhone.plots") / "assets" / "chart.umd.min.js").read_bytes()

    assert hashlib.sha256(published).hexdigest() == LIBRARY
    assert source.startswith("/*!\n * Chart.js v4.6.1")
    assert "The MIT License" in asset("LICENSE")
    assert "sourceMappingURL" not in chart_library()


def test_a_page_fetches_nothing() -> None:
    source = page("title", chart().figure(), [chart()])
    elements = Elements(source)

    assert [name for _, attributes in elements.found for name in attributes if name in {"src", "href"}] == []
    assert "@import" not in source
    assert "url(" not in asset("page.css")
    (policy,) = [one["content"] for one in elements.named("meta") if one.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_only_our_own_scripts_and_style_may_run() -> None:
    source = hostile_page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)
    assert policy is not None
    contents = [
        *re.findall(r"<script>(.*?)</script>", source, re.DOTALL),
        *re.findall(r"<style>(.*?)</style>", source, re.DOTALL),
    ]
    digests = [
        "'sha256-" + base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() + "'"
        for one in contents
    ]

    assert len(digests) == 3
    assert re.findall(r"'sha256-[^']+'", policy[1]) == digests
    assert "unsafe" not in policy[1]


def test_nothing_that_models_wrote_becomes_markup() -> None:
    elements = Elements(hostile_page())

    assert elements.named("img") == []
    assert len(elements.named("script")) == 3
    assert [name for _, attributes in elements.found for name in attributes if name.startswith("on")] == []
    hostile_page().encode("utf-8")


@settings(deadline=None, max_examples=50)
@given(value=st.text())
def test_any_text_comes_out_as_text(value: str) -> None:
    elements = Elements(f'<p title="{text(value)}">{text(value)}</p>')

    assert [name for name, _ in elements.found] == ["p"]
    shown = "".join(elements.words)
    assert not re.search("[\x00\u202e]", shown)


def test_the_figures_of_a_chart_reach_the_script_whatever_their_labels_are() -> None:
    source = hostile_page()
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', source, re.DOTALL)
    assert found is not None
    (spec,) = json.loads(found[1])

    assert spec["series"][0]["values"] == [0.5]
    assert spec["series"][0]["intervals"] == [[0.25, 0.75]]
    assert spec["labels"][0].startswith("</script></pre><script>alert(1)")


def test_a_table_has_a_caption_and_headings_for_rows_and_columns() -> None:
    elements = Elements(table("Scores", ["Task", "Score"], [["scan", "0.5"]]))

    assert len(elements.named("caption")) == 1
    assert [one["scope"] for one in elements.named("th")] == ["col", "col", "row"]


def test_a_figure_says_what_it_shows_to_who_cannot_see_it() -> None:
    (canvas,) = Elements(chart("both score alike").figure()).named("canvas")

    assert (canvas["role"], canvas["aria-label"]) == ("img", "both score alike")


def test_an_endless_text_is_cut_and_says_so() -> None:
    assert "… 1,000 more characters" in block("x" * (LONGEST + 1_000))


def test_a_page_without_figures_has_no_script() -> None:
    elements = Elements(page("title", "<p>words</p>", []))

    assert elements.named("script") == []
