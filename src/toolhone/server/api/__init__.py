"""REST at /api/v1: thin endpoints over the services that MCP and the CLI use too."""
