"""The overview: figures by time, and how everything stands, as far as the visitor may see."""

from typing import TypeAlias

from toolhone.models import Caller, Json
from toolhone.roles import Role

OpenSite: TypeAlias = Json


async def test_the_figures_are_those_of_the_audit(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor() as visitor:
        gateway = await site.app.gateway()
        caller = Caller(principal="counted")
        add = {"tool": "add", "arguments": {"a": 1, "b": 2}}
        await gateway.find("add two numbers", caller=caller)
        await gateway.call([add, add, {"tool": "fail", "arguments": {"reason": "no"}}], caller=caller)
        await gateway.call([{"tool": "nothing_like_it", "arguments": {}}], caller=caller)

        page = await visitor.get("/")
        spec = page.data("calls-data")
        sums = {series["label"]: sum(series["values"]) for series in spec["series"]}
        assert sums == {"ok": 2, "failed": 1, "refused": 1}
        assert len(spec["labels"]) == len(spec["series"][0]["values"])
        assert "Calls 3 1 search" in page.text
        assert "33.3% of calls" in page.text
        assert "unknown_tool" in page.text
        tokens = {series["label"]: sum(series["values"]) for series in page.data("tokens-data")["series"]}
        assert tokens["sent"] > 0
        # The same numbers stand in tables, for who has no scripts or cannot see a chart.
        assert len(page.every("table")) >= len(page.every("canvas")) == 3
        for window in ("1h", "24h", "7d", "30d"):
            again = (await visitor.get(f"/?window={window}")).data("calls-data")
            assert sum(again["series"][0]["values"]) == 2


async def test_a_newcomer_is_told_what_will_be_here_and_how_to_begin(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor(Role.VIEWER) as viewer:
        await site.app.gateway()
        page = await viewer.get("/")
        assert "operators and admins do" in page.text
        assert page.every("canvas") == []


async def test_a_viewer_sees_state_and_no_figures_of_others(open_site: OpenSite) -> None:
    async with open_site() as site, site.visitor(Role.VIEWER) as viewer:
        gateway = await site.app.gateway()
        await gateway.call(
            [{"tool": "add", "arguments": {"a": 1, "b": 2}}], caller=Caller(principal="somebody else")
        )
        page = await viewer.get("/")
        assert "somebody else" not in page.text
        assert "Most called" not in page.text
        assert "Running jobs" in page.text
