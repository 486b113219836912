"""Implementations of the store protocols."""
