"""Python functions as tools: the schema comes from type hints and docstring."""

from typing import Literal

import anyio

from toolhone.optimization import OptimizationManager, ToolSelectionContext

manager = OptimizationManager()


@manager.tool(read_only=True)
def shipping_cost(weight_kg: float, zone: Literal["near", "far"] = "near") -> float:
    """Work out what sending a parcel costs.

    Args:
        weight_kg: Weight of the parcel.
        zone: Where it goes.
    """
    return round((3 if zone == "near" else 9) + 1.5 * weight_kg, 2)


@manager.tool()
async def cancel_order(order: int) -> str:
    """Cancel an order that was not sent yet."""
    await anyio.lowlevel.checkpoint()
    return f"order {order} is cancelled"


async def main() -> None:
    context = ToolSelectionContext(task_description="how much is it to post a parcel", max_tools=1)
    selected = await manager.optimize_and_execute(context=context)
    print(f"selected {selected['selected_tools']}, {selected['tokens_saved']} tokens saved")
    assert selected["selected_tools"] == ["shipping_cost"]

    results = await manager.call(
        [
            {"id": "cost", "tool": "shipping_cost", "arguments": {"weight_kg": 2, "zone": "far"}},
            {"id": "wrong", "tool": "shipping_cost", "arguments": {"weight_kg": 2, "zone": "moon"}},
            {"id": "cancel", "tool": "cancel_order", "arguments": {"order": 7}},
        ]
    )
    for result in results:
        print(f"{result.tool_name}: {result.result if result.success else result.error}")
    assert [result.success for result in results] == [True, False, True]
    assert "zone" in (results[1].error or "")


if __name__ == "__main__":
    anyio.run(main)
