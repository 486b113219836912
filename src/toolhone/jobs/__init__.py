"""Durable jobs: planned, approved, run by one process of a data folder, taken up after a crash."""
