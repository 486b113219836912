"""Snapshots as lines of JSON, in the layout known from before."""

import json
from collections.abc import Iterable
from typing import BinaryIO

from toolhone.models import JsonObject
from toolhone.records.snapshots import Snapshot


def snapshot_line(snapshot: Snapshot) -> JsonObject:
    """A snapshot in the form known from before, and what is known besides."""
    return {
        "agent_id": snapshot.agent_id,
        "agent_name": snapshot.agent_name,
        "category": snapshot.category.value,
        "timestamp": snapshot.recorded_at,
        "task_type": snapshot.task_type,
        "input_data": snapshot.input_data,
        "output_data": snapshot.output_data,
        "success": snapshot.success,
        "performance_score": snapshot.performance_score,
        "execution_time_ms": snapshot.execution_time_ms,
        "tokens_used": snapshot.tokens_used,
        "user_feedback": snapshot.user_feedback,
        "metadata": snapshot.metadata,
        "snapshot_id": snapshot.snapshot_id,
        "session": snapshot.session,
        "subject": snapshot.subject,
        "tools_offered": list(snapshot.tools_offered),
        "tools_used": list(snapshot.tools_used),
    }


def write_lines(found: Iterable[Snapshot], file: BinaryIO) -> int:
    """Write each on a line of its own; returns how many."""
    count = 0
    for count, snapshot in enumerate(found, start=1):  # noqa: B007 - the last number is the answer
        # backslashreplace: what UTF-8 cannot spell becomes JSON's own escape for it.
        line = json.dumps(snapshot_line(snapshot), ensure_ascii=False).encode("utf-8", "backslashreplace")
        file.write(line + b"\n")
    return count
