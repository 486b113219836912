"""Every SQLite file of a data folder and its tables, for who looks after the folder as a whole."""

from collections.abc import Mapping

from toolhone.storage.datasets import DATASETS
from toolhone.storage.figures import FIGURES
from toolhone.storage.grants import GRANTS
from toolhone.storage.jobs import JOBS
from toolhone.storage.migrations import APPROVALS, AUDIT, CACHE, RESULTS, SELECTOR, Schema
from toolhone.storage.models import MODELS
from toolhone.storage.requests import REQUESTS
from toolhone.storage.snapshots import SNAPSHOTS
from toolhone.storage.tokens import ACCESS

LAYOUTS: Mapping[str, Schema] = {
    "access.db": ACCESS,
    "approvals.db": APPROVALS,
    "audit.db": AUDIT,
    "cache.db": CACHE,
    "datasets.db": DATASETS,
    "figures.db": FIGURES,
    "grants.db": GRANTS,
    "jobs_state.db": JOBS,
    "models.db": MODELS,
    "requests.db": REQUESTS,
    "results.db": RESULTS,
    "selector.db": SELECTOR,
    "snapshots.db": SNAPSHOTS,
}
"""By the file's name. `jobs.db` is not here: its tables are those of the library that runs the jobs."""
