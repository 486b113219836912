"""Log lines: their ids, their form, and what must not be in them."""

import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from toolhone.activity import acting, activity, note
from toolhone.cli.logs import TEXT, IdFilter, JsonFormatter, PlainFormatter
from toolhone.models import JsonObject

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Kept(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def last(self) -> JsonObject:
        return json.loads(self.lines[-1])


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    handler.addFilter(IdFilter())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("toolhone.tested")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


logger = logging.getLogger("toolhone.tested")


def test_a_line_carries_the_ids_of_what_is_being_done(kept: Kept) -> None:
    context = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)), activity("batch"):
        note(request_id="r-1", principal="anna")
        with activity("execute_tool", ids={"call_id": "c-1"}):
            logger.warning("inside of %s", "a call")
        inside = kept.last
        logger.warning("after it")

    assert inside["message"] == "inside of a call"
    assert (inside["level"], inside["logger"]) == ("warning", "toolhone.tested")
    assert (inside["request_id"], inside["call_id"], inside["principal"]) == ("r-1", "c-1", "anna")
    assert inside["trace_id"] == f"{0xABC:032x}"
    assert inside["time"].endswith("+00:00")
    assert "call_id" not in kept.last
    assert kept.last["request_id"] == "r-1"


def test_a_line_outside_of_everything_has_no_ids(kept: Kept) -> None:
    logger.warning("started")

    assert kept.last.keys() == {"time", "level", "logger", "message"}


async def test_what_one_request_notes_is_not_on_the_lines_of_another(kept: Kept) -> None:
    @acting("find_tools")
    async def find(request_id: str) -> None:
        note(request_id=request_id)
        logger.warning("found")

    await find("r-1")
    await find("r-2")
    logger.warning("done")

    assert [json.loads(line).get("request_id") for line in kept.lines] == ["r-1", "r-2", None]


def test_the_ids_that_a_line_names_itself_win(kept: Kept) -> None:
    with activity("execute_tool", ids={"call_id": "c-1"}):
        logger.warning("of another", extra={"call_id": "c-2"})

    assert kept.last["call_id"] == "c-2"


@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter(TEXT)])
def test_secrets_are_not_logged(kept: Kept, formatter: logging.Formatter) -> None:
    kept.setFormatter(formatter)
    try:
        raise ValueError(f"cannot log in with {SECRET}")
    except ValueError:
        logger.exception("It said: %s", SECRET)

    assert SECRET not in kept.lines[-1]
    assert "ValueError" in kept.lines[-1]


def test_a_message_of_several_lines_is_one_line_of_json(kept: Kept) -> None:
    logger.warning("one\ntwo")

    assert "\n" not in kept.lines[-1]
    assert kept.last["message"] == "one\ntwo"
