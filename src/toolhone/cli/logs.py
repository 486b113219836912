"""Log lines on stderr, as text or as JSON, with the ids of what was being done and without secrets."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_EXTRA = ("request_id", "call_id", "trace_id", "principal", "job_id")
"""What a line may carry of the activity that it was written in, or of the one who wrote it."""


class IdFilter(logging.Filter):
    """Gives each record the ids of what is being done where it is written."""

    def filter(self, record: logging.LogRecord) -> bool:
        from toolhone.activity import present_ids  # nothing was logged while the commands were listed
        from toolhone.identifiers import REQUEST

        asked = REQUEST.get()
        for name, value in {**({"request_id": asked} if asked else {}), **present_ids()}.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class PlainFormatter(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the ids that are known, and an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        for name in _EXTRA:
            if (value := getattr(record, name, None)) is not None:
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def without_secrets(text: str) -> str:
    """The text, redacted as the audit is: what comes from outside may hold anything."""
    from toolhone.redaction import redact_text  # as above

    return redact_text(text)


def set_up_logs(level: str, log_format: LogFormat) -> None:
    """Send what is logged from now on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(IdFilter())
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
