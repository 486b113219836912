"""What the training of the encoder learns from, frozen: recorded tasks with their tools, and the catalog.

A folder of three files that never change: `lessons.jsonl`, `catalog.json`, and a card for people. It holds
the words of the tasks as the audit log has them, redacted before they were logged, and never an argument or
a result of a call. Callers are numbered: only whether two requests came from the same one matters.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from toolhone.exceptions import DamagedStorageError
from toolhone.json_values import well_formed
from toolhone.models import Category, Json, JsonObject, ToolDefinition, content_hash
from toolhone.records.datasets import Manifest, Purpose
from toolhone.selection.bundle import MANIFEST
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.training.recorded import Recorded, divided

LESSONS = "lessons.jsonl"
CATALOG = "catalog.json"
CARD = "README.md"

PREFIX = "selector_"
"""Begins the id of every such dataset."""

FORMAT = "selector-lessons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an encoder was trained on before: it must not be judged by that again."""

    until: str = ""
    """When the last request of its training was asked."""
    kept_tools: tuple[str, ...] = ()
    """The tools that were kept from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A dataset that is to be kept: what `DatasetStore.create` is given."""

    manifest: Manifest
    files: Mapping[str, Path]
    """By the names they get."""
    members: tuple[tuple[str, str], ...]
    """The ids of the audit rows in it, so that an erasure finds it; and `lessons`, where they are."""


def seen_by(encoder: Path) -> Seen:
    """What the encoder in this folder says of its training."""
    manifest: JsonObject = json.loads((encoder / MANIFEST).read_text(encoding="utf-8"))
    about = cast("JsonObject", manifest.get("training") or {})
    return Seen(until=str(about.get("until", "")), kept_tools=tuple(about.get("kept_tools", ())))


def divided_for(encoder: Path, lessons: Sequence[Lesson], definitions: Sequence[ToolDefinition]) -> Recorded:
    """Divide so that the encoder in this folder and its successor can be judged alike.

    Raises:
        InvalidRequestError: There is too little to train or to judge.
    """
    seen = seen_by(encoder)
    return divided(lessons, definitions, since=seen.until, kept_before=seen.kept_tools)


def freeze(
    lessons: Sequence[Lesson],
    definitions: Sequence[ToolDefinition],
    *,
    encoder: Path,
    workspace: Path,
    now: str,
    version: int = 1,
) -> Frozen:
    """Write the files into the workspace, if they are enough to train and to judge an encoder.

    Args:
        lessons: What the audit log teaches, oldest first.
        definitions: The tools there are.
        encoder: The folder of the encoder in use.
        now: UTC, ISO 8601.
        version: Counts the datasets of the category.

    Raises:
        InvalidRequestError: There is too little; the message counts what there is and what is needed.
    """
    divided_for(encoder, lessons, definitions)
    names = {definition.name for definition in definitions}
    kept, dropped = _usable(lessons, names)
    recorded = divided_for(encoder, kept, definitions)

    (workspace / LESSONS).write_text(
        "".join(f"{json.dumps(lesson_as_json(lesson))}\n" for lesson in kept), encoding="utf-8"
    )
    catalog = [definition_as_json(definition) for definition in definitions]
    (workspace / CATALOG).write_text(json.dumps(catalog, indent=1) + "\n", encoding="utf-8")
    hashes = {name: _sha256(workspace / name) for name in (LESSONS, CATALOG)}
    whole = content_hash(hashes)
    manifest = Manifest(
        purpose=Purpose.SELECTOR,
        dataset_id=f"{PREFIX}{datetime.fromisoformat(now):%Y%m%d_%H%M%S}_{whole.removeprefix('sha256:')[:8]}",
        category=Category.GENERAL,
        version=version,
        created_at=now,
        content_hash=whole,
        request={"format": FORMAT, "encoder_until": seen_by(encoder).until},
        counts={
            "train": len(recorded.training.tasks),
            "test": len(recorded.later) + len(recorded.unseen),
        },
        files=hashes,
        dropped=dropped,
        statistics={
            "total_samples": len(kept),
            "tools": len(definitions),
            "tools_called": len({name for lesson in kept for name in lesson.called} & names),
            "training_tasks": len(recorded.training.tasks),
            "later_requests": len(recorded.later),
            "unseen_requests": len(recorded.unseen),
            "unseen_tools": len(recorded.kept),
            "date_range": {"start": kept[0].asked_at, "end": kept[-1].asked_at},
        },
    )
    (workspace / CARD).write_text(_card(manifest, recorded, kept), encoding="utf-8")
    return Frozen(
        manifest=replace(manifest, files={**hashes, CARD: _sha256(workspace / CARD)}),
        files={name: workspace / name for name in (*hashes, CARD)},
        members=tuple((lesson.id, "lessons") for lesson in kept),
    )


def read_lessons(folder: Path) -> list[Lesson]:
    """The lessons of a dataset.

    Raises:
        DamagedStorageError: The file is missing or is not what `freeze` wrote.
    """
    path = folder / LESSONS
    try:
        return [_lesson(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise _damaged(path, exc) from exc


def read_catalog(folder: Path) -> list[ToolDefinition]:
    """The tools of a dataset.

    Raises:
        DamagedStorageError: The file is missing or is not what `freeze` wrote.
    """
    path = folder / CATALOG
    try:
        return [_definition(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise _damaged(path, exc) from exc


def lesson_as_json(lesson: Lesson) -> JsonObject:
    """The lesson as a line of the dataset, without what a task without words is remembered by."""
    return {
        "id": lesson.id,
        "asked_at": lesson.asked_at,
        "principal": lesson.principal,
        "task": lesson.task.text,
        "shown": list(lesson.shown),
        "outcomes": [[outcome.tool, outcome.place, outcome.credit] for outcome in lesson.outcomes],
        "stands_for": lesson.stands_for,
    }


def _lesson(about: JsonObject) -> Lesson:
    outcomes = cast("list[list[Json]]", about["outcomes"])
    return Lesson(
        id=about["id"],
        asked_at=about["asked_at"],
        principal=about["principal"],
        task=RememberedTask(text=about["task"]),
        shown=tuple(about["shown"]),
        outcomes=tuple(Outcome(str(tool), place, float(credit)) for tool, place, credit in outcomes),
        stands_for=about["stands_for"],
    )


def definition_as_json(definition: ToolDefinition) -> JsonObject:
    """What the encoder reads of a tool, and where it belongs; its limits and rights teach nothing."""
    return {
        "name": definition.name,
        "description": definition.description,
        "inputSchema": definition.input_schema,
        "server": definition.server,
        "original_name": definition.original_name,
    }


def _definition(about: JsonObject) -> ToolDefinition:
    return ToolDefinition(
        name=about["name"],
        description=about["description"],
        input_schema=about["inputSchema"],
        server=about["server"],
        original_name=about["original_name"],
    )


def _usable(lessons: Iterable[Lesson], names: set[str]) -> tuple[list[Lesson], dict[str, int]]:
    """The lessons that can be learned from, their callers numbered; and why the others cannot."""
    kept: list[Lesson] = []
    dropped: Counter[str] = Counter()
    callers: dict[str, str] = {}
    for lesson in lessons:
        if lesson.task.text is None:
            dropped["the words of the task were not remembered"] += 1
        elif not lesson.called:
            dropped["no call succeeded"] += 1
        elif not any(name in names for name in lesson.called):
            dropped["its tools are gone"] += 1
        else:
            caller = callers.setdefault(lesson.principal, f"caller-{len(callers) + 1}")
            kept.append(
                replace(lesson, principal=caller, task=RememberedTask(text=well_formed(lesson.task.text)))
            )
    return kept, dict(dropped)


def _card(manifest: Manifest, recorded: Recorded, lessons: Sequence[Lesson]) -> str:
    used = Counter(name for lesson in lessons for name in lesson.called).most_common(10)
    figures = manifest.statistics
    dates = f"from {lessons[0].asked_at[:10]} to {lessons[-1].asked_at[:10]}"
    kept = ", ".join(recorded.kept[:10]) + (", …" if len(recorded.kept) > 10 else "")
    lines = [
        f"# {manifest.dataset_id}",
        "",
        "Recorded tasks with the tools that served them: what the encoder of the selector learns from.",
        "The words of the tasks are redacted; there are no arguments and no results of calls in it.",
        "",
        f"- {figures['total_samples']:,} requests {dates}",
        f"- {figures['tools']:,} tools, of which {figures['tools_called']:,} were called",
        f"- to train on: {figures['training_tasks']:,} tasks",
        f"- to judge by: {figures['later_requests']:,} later requests, worded like none of the training",
        f"- to judge by: {figures['unseen_requests']:,} requests for {figures['unseen_tools']:,} tools that "
        f"are kept from the training ({kept})",
        *(f"- left out: {count:,}, because {why}" for why, count in manifest.dropped.items()),
        f"- content hash: {manifest.content_hash}",
        "",
        "Called most:",
        "",
        *(f"- {name}: {count:,}" for name, count in used),
    ]
    return "\n".join(lines) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _damaged(path: Path, why: Exception) -> DamagedStorageError:
    return DamagedStorageError(
        f"{str(path)!r} is not a file of a selector dataset: {why}. Make the dataset anew."
    )
