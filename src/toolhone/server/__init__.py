"""The ways in: MCP over stdio and HTTP."""
