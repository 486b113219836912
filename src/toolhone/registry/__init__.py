"""Where tools come from: files, Python functions and downstream MCP servers."""
