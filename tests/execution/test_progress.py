"""The progress of a batch."""

from toolhone.execution.progress import BatchProgress


async def test_progress_only_grows_whatever_the_calls_report() -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    progress = BatchProgress(report, 2)
    first, second = progress.of_call("a"), progress.of_call("b")
    await first(1, 2, "half")
    await second(3, None, None)
    await first(1, 4, "back again")
    await second(0, None, "nothing")
    await first(2, 2, "all")
    await progress.finished("b")
    await progress.finished("a")
    assert [message for _, _, message in seen] == ["a: half", "b", "a: all", "b: done", "a: done"]
    heights = [height for height, _, _ in seen]
    assert heights == sorted(set(heights))
    assert seen[-1][:2] == (2.0, 2.0)
