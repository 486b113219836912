"""Snapshots of work: collected, kept for a time, erased when somebody asks for it."""
