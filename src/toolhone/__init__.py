"""toolhone: an MCP server between an LLM agent and all of its tools."""

import logging

__version__ = "0.1.0"

# A library logs only where its user asked for it.
logging.getLogger(__name__).addHandler(logging.NullHandler())
