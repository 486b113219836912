"""What an agent's prompt pays for toolhone being there: tokens of its own tool listing.

python benchmarks/listing.py
"""

from mcp.types import Tool
from rich.console import Console
from rich.table import Table

from toolhone.json_values import minified
from toolhone.models import ToolDefinition
from toolhone.server.definitions import listing
from toolhone.server.finetuning_definitions import finetuning_listing
from toolhone.tokens import TOKENIZER, count_tokens


def tools_of(servers: int, per_server: int) -> list[ToolDefinition]:
    return [
        ToolDefinition(
            name=f"server_{server}__tool_{number}",
            description="",
            input_schema={"type": "object"},
            server=f"a-fairly-long-server-name-{server}",
        )
        for server in range(servers)
        for number in range(per_server)
    ]


def passed_on(tool: Tool) -> dict[str, object]:
    """What a client hands to its model."""
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}


def main() -> None:
    table = Table(
        "downstream servers",
        "tools behind them",
        "an agent's",
        "with fine-tuning",
        title=f"Our own listing, in {TOKENIZER} tokens",
    )
    for servers in (0, 1, 10, 100, 1_000):
        tools = tools_of(servers, 9)
        agent = listing(tools)
        texts = [
            minified([passed_on(tool) for tool in shown])
            for shown in (agent, [*agent, *finetuning_listing()])
        ]
        table.add_row(str(servers), str(len(tools)), *(str(count_tokens(text)) for text in texts))
    Console().print(table)


if __name__ == "__main__":
    main()
