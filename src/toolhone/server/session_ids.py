"""Keeps the ids of sessions out of the log: who knows one, and has its credential, can speak in it."""

import logging
import re

LOGGERS = ("mcp.server.sse", "mcp.server.streamable_http", "mcp.server.streamable_http_manager")

_ID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.IGNORECASE)


def without_ids(record: logging.LogRecord) -> bool:
    """A filter of a logger that has ids left out of its lines."""
    told = record.getMessage()
    shown = _ID.sub("[session]", told)
    if shown != told:
        record.msg, record.args = shown, ()
    return True


def hide_session_ids() -> None:
    """Have the SDK log no ids of sessions."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(without_ids)
