"""What an agent reads and writes to use five tools, through toolhone and through other programs.

In each draw five tools of the catalog are wanted, and the agent knows them by the first sentence of their
descriptions. Every program runs for real, in front of a server that lists the recorded tools and answers "ok"
to each call, and a real MCP client asks it. Counted, in o200k tokens: the listing of the tools that the agent
needs, each request as {"name","arguments"}, and the text of each answer, of the calls too.
"""

import json
import os
import random
import re
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import cast

import anyio
from figures import PEERS
from mcp import Client, types
from recorded_tools import Listing, serving
from sample_arguments import sample_arguments
from session_peers import peer_sessions
from session_traffic import Agent, Paid, Session, Wanted, listed

from toolhone.app import open_app
from toolhone.models import LOCAL_CALLER, JsonObject
from toolhone.registry.names import exposed_names, server_prefixes
from toolhone.roles import Role
from toolhone.server.mcp import build_server
from toolhone.settings import Settings

USED = 5

SENTENCE = 300
"""Characters of a first sentence."""

FIRST_BUDGET = 150
"""Tokens of the answer that names candidates for all wanted tools."""

ROUND_TWO = 3
"""How many candidates are asked for when a tool that is wanted was not among the first ones."""

SECOND_BUDGET = 100

PEER_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Costs:
    """Sessions with one program, or why there are none."""

    paid: list[Paid]
    why_not: str = ""

    def as_json(self) -> JsonObject:
        if not self.paid:
            return {"not_run": self.why_not}
        totals = [one.total for one in self.paid]
        return {
            "mean": fmean(totals),
            "max": max(totals),
            "listing": fmean(one.listing for one in self.paid),
            "looking": fmean(one.looking for one in self.paid),
            "calling": fmean(one.calling for one in self.paid),
            "found": sum(one.found for one in self.paid),
            "wanted": sum(one.wanted for one in self.paid),
        }


def callable_tools(listings: Iterable[Listing]) -> list[Wanted]:
    """The tools that say what they do and whose arguments can be made up."""
    listings = list(listings)
    prefixes = server_prefixes(listing.server for listing in listings)
    wanted: list[Wanted] = []
    for listing in listings:
        names = exposed_names(prefixes[listing.server], (tool["name"] for tool in listing.tools))
        for tool in listing.tools:
            sentence = re.split(r"(?<=[.!?])\s|\n", (tool.get("description") or "").strip())[0][:SENTENCE]
            arguments = sample_arguments(tool["inputSchema"])
            if len(sentence) > 10 and arguments is not None:
                wanted.append(Wanted(names[tool["name"]], tool["name"], sentence, arguments))
    return wanted


def draws(tools: Sequence[Wanted], count: int, used: int = USED) -> list[list[Wanted]]:
    """What each session uses: always the same for the same tools."""
    generator = random.Random(0)
    return [generator.sample(tools, min(used, len(tools))) for _ in range(count)]


async def through_toolhone(session: Session, tools: Sequence[types.Tool], wanted: Sequence[Wanted]) -> None:
    """As toolhone's instructions say: candidates by name, definitions of those that are wanted, one batch."""
    named = set[str]()

    async def find(task: str, most: int, budget: int) -> None:
        answer = await session.look("find_tools", {"task": task, "max_tools": most, "token_budget": budget})
        named.update(tool.name for tool in wanted if re.search(rf"\b{re.escape(tool.name)}\b", answer.text))

    await find(" ".join(tool.sentence for tool in wanted), 2 * len(wanted), FIRST_BUDGET)
    for tool in wanted:
        if tool.name not in named:
            await find(tool.sentence, ROUND_TWO, SECOND_BUDGET)
    found = [tool for tool in wanted if tool.name in named]
    session.paid.found += len(found)
    if found:
        await session.look("describe_tools", {"names": [tool.name for tool in found]})
        calls = [{"tool": tool.name, "arguments": tool.arguments} for tool in found]
        await session.call("call_tools", {"calls": calls})
    needed = {"find_tools", "describe_tools", "call_tools"}
    session.paid.listing = listed([tool for tool in tools if tool.name in needed])


@asynccontextmanager
async def toolhone(listings: Sequence[Listing], folder: Path) -> AsyncGenerator[Client]:
    """A client of a toolhone in this process, once every tool is indexed."""
    config = folder / "mcp.json"
    servers = {one.server: serving(folder / f"{one.server}.json", one.tools) for one in listings}
    config.write_text(json.dumps({"mcpServers": servers}))
    registry = folder / "registry"
    registry.mkdir()
    settings = Settings(config=config, registry=registry, data=folder / "data", role=Role.AGENT)
    async with open_app(settings, os.environ) as app:
        server, handlers = build_server(app)
        gateway = await app.gateway()
        await app.refresh()
        # The first question starts the indexing.
        await gateway.find("anything", caller=LOCAL_CALLER)
        await gateway.indexed()
        async with Client(server, cache=None) as client:
            yield client
        handlers.listen.close()


async def session_costs(listings: Sequence[Listing], count: int, *, peers: bool) -> Mapping[str, Costs]:
    """Sessions through toolhone and, if asked, through the peers, which want the same tools."""
    sessions = draws(callable_tools(listings), count)
    say(f"sessions: {count} over {sum(len(one.tools) for one in listings)} tools, toolhone")
    with TemporaryDirectory(prefix="toolhone-bench-") as folder:
        async with toolhone(listings, Path(folder)) as client:
            costs = {"toolhone": Costs(await measured(client, through_toolhone, sessions))}
    if not peers:
        return costs
    tools: list[JsonObject] = [tool for one in listings for tool in one.tools]
    if len(listings) == 1:
        sessions = [[replace(tool, name=tool.original) for tool in wanted] for wanted in sessions]
    else:
        prefixes = server_prefixes(one.server for one in listings)
        tools = [
            {**tool, "name": names[tool["name"]]}
            for one in listings
            for names in [exposed_names(prefixes[one.server], (tool["name"] for tool in one.tools))]
            for tool in one.tools
        ]
    tools = [{**tool, "inputSchema": as_object(tool["inputSchema"])} for tool in tools]
    with TemporaryDirectory(prefix="toolhone-bench-") as folder:
        command = serving(Path(folder) / "recorded.json", tools)
        for name, open_client, agent in peer_sessions(command, Path(folder)):
            say(f"sessions: {name}")
            try:
                with anyio.fail_after(PEER_SECONDS):
                    async with open_client() as client:
                        costs[name] = Costs(await measured(client, agent, sessions))
            # Whatever ends a peer is its row in the table.
            except Exception as error:
                costs[name] = Costs([], why_not=reason(error))
    return costs


def as_object(schema: JsonObject) -> JsonObject:
    """Some recorded schemas do not say that they are objects, for which fastmcp refuses the whole listing."""
    return {"type": "object", **schema}


async def measured(client: Client, agent: Agent, sessions: Iterable[Sequence[Wanted]]) -> list[Paid]:
    """What each session costs in the hands of this agent."""
    tools = (await client.list_tools()).tools
    paid: list[Paid] = []
    for wanted in sessions:
        session = Session(client, Paid(wanted=len(wanted)))
        await agent(session, tools, wanted)
        paid.append(session.paid)
    return paid


def reason(error: Exception) -> str:
    """The first cause, in one line."""
    if isinstance(error, ExceptionGroup):
        return reason(cast("ExceptionGroup[Exception]", error).exceptions[0])
    if not (PEERS / "python").exists():
        return "there is no .venv-peers; `make bench` installs it"
    return f"{type(error).__name__}: {str(error)[:200]}"


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
