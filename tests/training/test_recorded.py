"""How a log is divided: nothing that is judged was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.training.recorded import MOST_TOOLS, Recorded, divided

if TYPE_CHECKING:
    from training.conftest import World


def tools_of(recorded: Recorded) -> set[str]:
    return {name for request in recorded.later for name in request.served}


def test_later_requests_and_tools_of_their_own_are_kept_to_judge_by(world: "World") -> None:
    recorded = divided(world.log, world.tools)

    trained_on = {task.text for task in recorded.training.tasks}
    asked = {str(lesson.task.text): lesson.asked_at for lesson in world.log}
    assert len(recorded.later) >= 50
    assert len(recorded.unseen) >= 30
    assert trained_on.isdisjoint(request.task for request in (*recorded.later, *recorded.unseen))
    assert max(asked[text] for text in trained_on) == recorded.until
    assert all(asked[request.task] > recorded.until for request in recorded.later)
    assert tools_of(recorded).isdisjoint(recorded.kept)
    assert {name for request in recorded.unseen for name in request.served} <= set(recorded.kept)
    assert not any(
        name.replace("_", " ") in text for name in recorded.kept for text in recorded.training.tools
    )


def test_the_same_log_is_divided_in_the_same_way(world: "World") -> None:
    assert divided(world.log, world.tools) == divided(list(world.log), tuple(reversed(world.tools)))


def test_a_later_encoder_keeps_the_tools_that_the_one_before_kept(world: "World") -> None:
    before = divided(world.log[:400], world.tools)

    after = divided(world.log, world.tools, since=before.until, kept_before=before.kept)

    assert set(before.kept) <= set(after.kept)
    assert after.until > before.until


def test_only_what_the_encoder_in_use_has_not_seen_can_judge_it(world: "World") -> None:
    since = world.log[430].asked_at

    recorded = divided(world.log, world.tools, since=since)

    assert recorded.until == max(
        lesson.asked_at for lesson in world.log[:431] if not set(lesson.called) & set(recorded.kept)
    )


def test_a_request_that_was_made_before_in_the_same_words_does_not_judge(world: "World") -> None:
    again = [
        replace(lesson, id=f"again {lesson.id}", asked_at=lesson.asked_at.replace("2026-05", "2026-06"))
        for lesson in world.log[:300]
    ]
    shouted = [replace(lesson, task=RememberedTask(text=f"  {lesson.task.text}".upper())) for lesson in again]

    with pytest.raises(InvalidRequestError, match=r" 0 later ones"):
        divided([*world.log[:300], *shouted[:75]], world.tools)


@pytest.mark.parametrize("count", [0, 20, 150])
def test_too_little_is_said_with_what_is_missing(count: int, world: "World") -> None:
    with pytest.raises(InvalidRequestError, match="too little in the log") as refusal:
        divided(world.log[:count], world.tools)

    assert set(refusal.value.data) == {"training", "later", "unseen"}


def test_tasks_without_words_and_tools_that_are_gone_teach_nothing(world: "World") -> None:
    wordless = [replace(lesson, task=RememberedTask(vector=(1,), encoder="e")) for lesson in world.log]

    with pytest.raises(InvalidRequestError, match="0 have the words"):
        divided(wordless, world.tools)
    with pytest.raises(InvalidRequestError, match="0 have the words"):
        divided(world.log, [])


def test_of_a_large_catalog_the_tools_that_were_used_and_some_others_are_searched(world: "World") -> None:
    others = [replace(world.tools[0], name=f"other_{number}") for number in range(MOST_TOOLS)]

    recorded = divided(world.log, [*others, *world.tools])

    assert len(recorded.catalog) == MOST_TOOLS
    assert {tool.name for tool in world.tools} <= {tool.name for tool in recorded.catalog}
    assert len(recorded.training.tools) == MOST_TOOLS - len(recorded.kept)


def test_tools_that_were_passed_over_or_failed_are_known_to_be_wrong(world: "World") -> None:
    recorded = divided(world.log, world.tools)
    names = sorted({tool.name for tool in world.tools} - set(recorded.kept))

    def passed_over(lessons: Sequence[Lesson]) -> list[Lesson]:
        return [
            replace(lesson, outcomes=(*lesson.outcomes, Outcome(names[0], 2, -0.25)))
            if lesson.called != (names[0],)
            else lesson
            for lesson in lessons
        ]

    training = divided(passed_over(world.log), world.tools).training

    # One caller's word against one tool is heard a bounded number of times.
    assert {task.wrong for task in training.tasks if task.right != (0,)} == {(0,), ()}
    assert {task.wrong for task in training.tasks if task.right == (0,)} == {()}
