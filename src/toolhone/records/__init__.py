"""Nouns of learning from work: snapshots, datasets, plans, jobs, models; and the stores that keep them."""
