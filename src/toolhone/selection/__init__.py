"""Finding the few tools a task needs."""
