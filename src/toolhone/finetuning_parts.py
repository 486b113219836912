"""Puts the operations of learning from work together from settings, for an app and for single commands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from toolhone.audit import AuditLog
from toolhone.jobs.board import Board
from toolhone.jobs.runner import Runner
from toolhone.models import ToolDefinition
from toolhone.operations import Finetuning
from toolhone.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuningParts:
    """The operations, and what runs beside them."""

    system: Finetuning
    board: Board
    runner: Runner


def build_finetuning(
    settings: Settings,
    environ: Mapping[str, str],
    audit: AuditLog,
    *,
    tools: Callable[[], Awaitable[Sequence[ToolDefinition]]] | None = None,
) -> FinetuningParts: ...
