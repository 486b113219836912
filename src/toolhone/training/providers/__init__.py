"""Who can train: one file a provider, behind the protocol of `provider.py`."""
