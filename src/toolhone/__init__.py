"""toolhone: an MCP server between an LLM agent and all of its tools."""

__version__ = "0.1.0"
