"""Approval of what downstream servers say of their tools: only definitions that were approved are used."""
