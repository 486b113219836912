"""Datasets: from snapshots of work to rows that a model can be trained and judged on."""
