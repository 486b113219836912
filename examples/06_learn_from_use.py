"""Learning from use: tools whose names say nothing, a day of tasks, and the ranking before and after."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from toolhone.app import open_app
from toolhone.server.mcp import build_server
from toolhone.settings import Settings

# What the people of a shop want from its systems. The tools only have the systems' internal names.
WISHES = {
    "heron": """
        refund order 4711
        give the customer the money back for the broken lamp
        reverse the charge of Ms Lee
        cancel the sale and return what she paid
        credit the buyer for the parcel that got lost
        pay back the customer who was charged twice
        settle the complaint about the torn jacket with a refund""",
    "kestrel": """
        reset the password of Ana
        unlock the account of Ben
        let Chris log in again
        send Dora a new login code
        restore the access of the new colleague to her mailbox
        change the forgotten password of the front desk
        fix the sign-in of Emil, it says wrong credentials""",
    "osprey": """
        enter two weeks of leave in August
        take Friday off for me
        ask for a holiday over Easter
        put me down as absent next Monday
        check how many vacation days I have left
        move my holiday from June to July
        request parental leave from October on""",
    "merlin": """
        order toner for the printer
        get more paper for the copier
        buy pens and folders for the office
        stock up on coffee for the kitchen
        request a box of staples
        order ten notebooks for the trainees
        get new batteries for the keyboards""",
    "plover": """
        report that the lift is stuck
        tell the caretaker that the heating fails
        get the dripping tap in the kitchen repaired
        have somebody look at the broken window
        report a burnt-out lamp in the stairway
        get the jammed door of the garage fixed
        tell them that the toilet on floor two leaks""",
    "curlew": """
        reserve the big meeting room
        find a room for ten people
        book a room on Monday at nine
        get a quiet room for an interview
        keep the conference room free on Thursday
        move our workshop to a room with a projector
        cancel the room that we booked for noon""",
    "dunlin": """
        show my pay slip of May
        look up my salary in June
        send me the wage statement for the tax office
        explain the deductions of my last pay
        get the yearly earnings certificate
        show what I earned with overtime
        print my payroll record""",
}
OPENINGS = ("please", "could you", "can somebody", "I need you to", "before noon:", "for the team:")

# These say what they do, and nobody needs them on this day.
UNUSED = {
    "translate_text": "Translate a text into another language.",
    "track_parcel": "Tell where a parcel is and when it will arrive.",
    "get_weather": "Get the weather forecast of a city.",
    "convert_currency": "Convert an amount of money from one currency into another.",
}

# Asked before and after. Nobody put it like this on that day.
NEW_TASKS = {
    "heron": "the client got a damaged chair and wants a refund",
    "kestrel": "my account is locked",
    "osprey": "I would like a free day",
}
OTHER_TASKS = {
    "translate_text": "translate this letter into French",
    "track_parcel": "where is my parcel",
    "get_weather": "will it rain in Oslo tomorrow",
    "convert_currency": "how much are 20 dollars in euros",
}


def write_registry(folder: Path) -> None:
    """A file for each tool, and one function behind them all."""
    folder.mkdir()
    (folder / "systems.py").write_text('def run(request: str) -> str:\n    return f"done: {request}"\n')
    schema = {"type": "object", "properties": {"request": {"type": "string"}}, "required": ["request"]}
    handler = {"type": "python", "function": "systems:run"}
    for name, text in ({name: f"Send a request to {name.capitalize()}." for name in WISHES} | UNUSED).items():
        tool = {"name": name, "description": text, "inputSchema": schema, "handler": handler}
        (folder / f"{name}.json").write_text(json.dumps(tool))


def day_of_tasks() -> list[tuple[str, str]]:
    """Every wish in several wordings with the tool that serves it, mixed as a day brings them."""
    tasks = [
        (f"{opening} {wish.strip()}", tool)
        for tool, wishes in WISHES.items()
        for opening in OPENINGS
        for wish in wishes.strip().splitlines()
    ]
    return random.Random(6).sample(tasks, len(tasks))


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert answer.structured_content is not None, answer.content
    return answer.structured_content


async def rankings(client: Client) -> dict[str, list[str]]:
    """For each task of above the tools as they are ranked: first the shown ones, then those only named."""
    found = {
        tool: await ask(client, "find_tools", task=task) for tool, task in (NEW_TASKS | OTHER_TASKS).items()
    }
    return {
        tool: [shown["name"] for shown in answer["tools"]] + answer.get("roster", [])
        for tool, answer in found.items()
    }


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        write_registry(registry)
        # Learning starts by itself after 200 calls; this story says when.
        settings = Settings(registry=registry, data=Path(folder) / "data", learn_after=0)
        async with open_app(settings, {}) as app, Client(build_server(app)[0]) as client:
            gateway, learning = await app.gateway(), await app.learning()
            await gateway.indexed()
            before = await rankings(client)

            tasks = day_of_tasks()
            for task, tool in tasks:
                await ask(client, "find_tools", task=task)
                call = {"tool": tool, "arguments": {"request": task}}
                (result,) = (await ask(client, "call_tools", calls=[call]))["results"]
                assert result["success"]
            # All of it is in the audit log, which is what is learned from.
            assert (await ask(client, "get_statistics"))["calls"] == len(tasks)

            # What `toolhone selector learn` does: four fifths of the log teach, the last one judges.
            outcome = await learning.learn()
            print(f"learned from {outcome.figures['learned_from']} requests, {outcome.verdict.decision}:")
            print(outcome.verdict.why)
            assert outcome.promoted

            after = await rankings(client)
            for tool, task in NEW_TASKS.items():
                print(f"{task!r}: before {before[tool][:3]}, now {after[tool][:3]}")
                assert before[tool][0] != tool
                assert after[tool][0] == tool
            for tool, task in OTHER_TASKS.items():
                print(f"{task!r}: {tool} was never used and keeps its place")
                assert before[tool].index(tool) == after[tool].index(tool) == 0

            # What `toolhone selector rollback` does.
            assert await learning.rollback() is None
            assert await rankings(client) == before
            print("rolled back: the ranking is what it was before")


if __name__ == "__main__":
    anyio.run(main)
