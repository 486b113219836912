"""The progress of a batch, made of the progress of its calls."""

import logging

from toolhone.models import ProgressReporter

logger = logging.getLogger(__name__)


class BatchProgress:
    """Reports how many calls are done, those that run counted by their fraction.

    MCP wants progress that only grows, while calls report in any order and may not know their total; so a
    report that would not be higher than the last is left out.
    """

    def __init__(self, report: ProgressReporter, calls: int) -> None:
        self._report: ProgressReporter | None = report
        self._calls = calls
        self._fractions: dict[str, float] = {}
        self._last = 0.0

    def of_call(self, slot: str) -> ProgressReporter:
        """The reporter to hand to one call."""

        async def report(progress: float, total: float | None, message: str | None) -> None:
            # Without a total, n steps count as n/(n+1): it moves, and never arrives before the answer.
            share = progress / total if total else progress / (progress + 1) if progress > 0 else 0.0
            # Short of 1, so that the end of the call is still a step.
            self._fractions[slot] = max(self._fractions.get(slot, 0.0), min(share, 0.99))
            await self._send(f"{slot}: {message}" if message else slot)

        return report

    async def finished(self, slot: str) -> None:
        """The call in this slot has its result."""
        self._fractions[slot] = 1.0
        await self._send(f"{slot}: done")

    async def _send(self, message: str) -> None:
        overall = sum(self._fractions.values())
        if self._report is None or overall <= self._last:
            return
        self._last = overall
        try:
            await self._report(overall, float(self._calls), message)
        except Exception:
            # A courtesy: a client that no longer listens must not cost a call its result.
            logger.warning("Progress could not be reported; no more is sent", exc_info=True)
            self._report = None
