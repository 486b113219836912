"""From recorded work to a dataset: what is taken out, what is left out, and what a training would see."""

import os
import tempfile
from pathlib import Path
from typing import Any

import anyio

from toolhone.exceptions import InsufficientDataError, ToolhoneError
from toolhone.finetuning import AgentCategory, FinetuningConfig, FinetuningProvider, FinetuningSystem
from toolhone.settings import Settings

CITIES = [
    "Lisbon",
    "Oslo",
    "Turin",
    "Ghent",
    "Cork",
    "Riga",
    "Graz",
    "Lyon",
    "Bern",
    "Porto",
    "Leeds",
    "Kiel",
]
THINGS = ["a torn jacket", "the wrong lamp", "a late parcel", "a broken chair", "two odd shoes"]


def work(number: int) -> dict[str, Any]:
    """What a support agent did: who wrote, what about, and what was answered."""
    city, thing = CITIES[number % len(CITIES)], THINGS[number // len(CITIES) % len(THINGS)]
    mail, order = f"{city.lower()}{number}@example.com", f"order {7 * number + 1000}"
    return {
        "agent_id": "support_1",
        "agent_name": "Support",
        "category": AgentCategory.CUSTOMER_SERVICE,
        "task_type": "complaint",
        "input_data": {"text": f"{mail} in {city} complains about {thing}, {order}. Answer {mail}."},
        "output_data": {"to": mail, "refund": number % 2 == 0, "about": order},
        "success": number % 10 != 9,
        "performance_score": 0.9,
        "execution_time_ms": 80.0,
        "tokens_used": 60,
        "user_id": f"customer-{number % 40}",
    }


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        system = FinetuningSystem(settings, os.environ, run_jobs=False)
        try:
            await system.prepare_dataset(AgentCategory.CUSTOMER_SERVICE)
        except InsufficientDataError as refusal:
            print(f"before any work: {refusal.message.split('. ')[0]}")

        for number in [*range(200), *range(20)]:  # twenty come in twice
            await system.collect_performance_snapshot(**work(number))
        print(f"collected: {system.get_system_statistics()['total_snapshots']} snapshots")

        dataset = await system.prepare_dataset(AgentCategory.CUSTOMER_SERVICE, min_samples=20)
        parts = {"train": dataset.train_split, "validation": dataset.val_split, "test": dataset.test_split}
        print(f"{dataset.dataset_id}: " + ", ".join(f"{len(rows)} {name}" for name, rows in parts.items()))
        for why, count in dataset.manifest.dropped.items():
            print(f"  left out: {count} {why}")

        row = dataset.train_split[0]
        print("a row, as a model is trained on it:")
        for message in row.messages:
            print(f"  {message['role']}: {message['content']}")
        # The same person is the same mark within a row, so that the model can learn to answer whoever wrote.
        assert "example.com" not in str(row.messages)
        assert str(row.messages).count("[REDACTED:email 1]") == 3

        groups = [{row.group for row in rows} for rows in parts.values()]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]

        config = FinetuningConfig(
            category=AgentCategory.CUSTOMER_SERVICE,
            provider=FinetuningProvider.ANTHROPIC,
            base_model="claude",
        )
        try:
            await system.create_finetuning_job(config=config)
        except ToolhoneError as refusal:
            print(f"a provider that cannot train says so: {refusal.message.split('. ')[0]}")
        await system.aclose()


anyio.run(main)
