"""Credentials: API tokens, tokens of an authorization server, browser sessions, and rates of requests."""
