"""The parts that an app is put together from, each made from the settings."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from toolhone.approvals.service import Approvals
from toolhone.audit import AuditLog
from toolhone.auth.tokens import ApiTokens
from toolhone.figures import Figures
from toolhone.identifiers import utc_timestamp
from toolhone.keeping.age import AuditAge
from toolhone.keeping.exports import Exports, Rotation
from toolhone.keeping.inventory import Terms
from toolhone.keeping.service import Keeping
from toolhone.keyed_requests import KeyedRequests
from toolhone.models import Category, JsonObject
from toolhone.records.access import TokenStore
from toolhone.records.approvals import ApprovalStore
from toolhone.records.figures import FigureStore
from toolhone.records.grants import GrantStore
from toolhone.records.stores import SnapshotStore
from toolhone.redaction import redact
from toolhone.selection.active import active_encoder
from toolhone.selection.bundle import load_bundle, load_default
from toolhone.selection.encoder import Encoder
from toolhone.selection.learning import Learning
from toolhone.selection.selector import Selector
from toolhone.settings import Settings
from toolhone.stores import AuditStore, CatalogStore, IndexStore, LearningStore, ResultStore, VectorStore

if TYPE_CHECKING:
    from toolhone.registry.config import ServersFile
    from toolhone.registry.credentials import Grants
    from toolhone.registry.downstream import DownstreamServers
    from toolhone.registry.known_tools import Judge
    from toolhone.selection.scoring import Weights


def audit_log(settings: Settings) -> AuditLog:
    """The audit log of a data folder, for who needs nothing else."""
    return AuditLog(partial(open_audit, settings), redact=redact)


def learning_from_use(settings: Settings, audit: AuditLog, selector: Selector | None = None) -> Learning:
    """Learning from the audit log; without a selector it can only show versions and choose among them."""
    return Learning(
        rows=audit.query,
        count_calls=audit.calls,
        open_store=partial(open_learning, settings),
        selector=selector,
        redact=redact,
        now=utc_timestamp,
        learn_after=settings.learn_after,
        remember=settings.remember_tasks,
    )


def api_tokens(settings: Settings, audit: AuditLog) -> ApiTokens:
    """The API tokens of a data folder."""
    return ApiTokens(partial(open_tokens, settings), record=audit.record)


def keyed_requests(settings: Settings) -> KeyedRequests:
    """Requests that take effect once, in a data folder. Nothing is opened before the first of them."""
    from toolhone.storage.requests import SqliteKeyedRequestStore  # as below

    return KeyedRequests(SqliteKeyedRequestStore(settings.data))


def erase_answers(settings: Settings) -> int:
    """Delete the kept answers to requests with keys; blocks."""
    from toolhone.storage.requests import SqliteKeyedRequestStore  # as below

    store = SqliteKeyedRequestStore(settings.data)
    try:
        return store.erase_answers()
    finally:
        store.close()


def keeping(settings: Settings, audit: AuditLog) -> Keeping:
    """What is stored, for how long, and where it goes, for a data folder."""
    return Keeping(
        settings.data,
        age=AuditAge(audit, days=settings.audit_days),
        exports=exports(settings),
        record=audit.record,
        terms=terms(settings),
    )


def exports(settings: Settings) -> Exports:
    """The exports of a data folder. Nothing is opened before the first of them."""
    days = settings.snapshot_days
    # A category that is neither named nor under "*" is kept for ever, and so are the files it may be in.
    bounded = "*" in days or all(category.value in days for category in Category)
    return Exports(
        settings.export_folder,
        settings.data,
        open_audit=partial(open_audit, settings),
        open_snapshots=partial(open_snapshots, settings),
        rotation=Rotation(
            largest=settings.export_size,
            most=settings.export_files,
            audit_days=settings.audit_days,
            snapshot_days=max(days.values()) if bounded and days else 0,
        ),
    )


def terms(settings: Settings) -> Terms:
    """How long things are kept, in words."""
    named = [
        f"{number} days" if name == "*" else f"{number} days of {name}"
        for name, number in settings.snapshot_days.items()
    ]
    rest = [] if "*" in settings.snapshot_days or not named else ["else for ever"]
    return Terms(
        audit=f"{settings.audit_days} days" if settings.audit_days else "for ever",
        snapshots=", ".join([*named, *rest]) or "for ever",
        results=f"{settings.result_lifetime:g} seconds, {settings.results_size // 1_048_576} MB at most",
    )


def downstream_servers(
    settings: Settings,
    environ: Mapping[str, str],
    servers: "ServersFile",
    *,
    on_event: Callable[[str, str, JsonObject], Awaitable[None]],
    judge: "Judge",
) -> "DownstreamServers":
    """The servers of a servers file, with what the data folder knows of them."""
    from toolhone.registry.downstream import DownstreamServers  # the SDK takes a second to import

    return DownstreamServers(
        servers.entries,
        partial(open_catalogs, settings),
        environ,
        max_starting=settings.max_starting,
        start_timeout=settings.start_timeout,
        on_event=on_event,
        judge=judge,
        open_grants=partial(open_grants, settings),
    )


def server_grants(settings: Settings) -> "Grants":
    """Logins at downstream servers of a data folder. Nothing is opened before the first of them."""
    from toolhone.registry.credentials import Grants  # few commands need what it brings

    return Grants(partial(open_grants, settings))


def open_tokens(settings: Settings) -> TokenStore:
    """The store of API tokens."""
    from toolhone.storage.tokens import SqliteTokenStore  # as below

    return SqliteTokenStore(settings.data)


def approvals(settings: Settings, audit: AuditLog) -> Approvals:
    """The approvals of tool definitions of a data folder."""
    return Approvals(partial(open_approvals, settings), policy=settings.approve, record=audit.record)


def open_approvals(settings: Settings) -> ApprovalStore:
    """The store of definitions, approved and waiting."""
    from toolhone.storage.approvals import SqliteApprovalStore  # as below

    return SqliteApprovalStore(settings.data)


def open_grants(settings: Settings) -> GrantStore:
    """The store of logins at downstream servers."""
    from toolhone.storage.grants import SqliteGrantStore  # as below

    return SqliteGrantStore(settings.data)


def open_audit(settings: Settings) -> AuditStore:
    """The store of the audit log."""
    from toolhone.storage.audit import SqliteAuditStore  # sqlite_utils takes half a second to import

    return SqliteAuditStore(settings.data, durable=settings.durable)


def figures(settings: Settings) -> Figures:
    """Figures over time of a data folder, with a connection of their own to its audit."""
    return Figures(partial(open_figures, settings), partial(open_audit, settings))


def open_figures(settings: Settings) -> FigureStore:
    """The store of counts over time."""
    from toolhone.storage.figures import SqliteFigureStore  # as above

    return SqliteFigureStore(settings.data)


def open_catalogs(settings: Settings) -> CatalogStore:
    """The store of the last good tool listings."""
    from toolhone.storage.catalogs import SqliteCatalogStore  # as above

    return SqliteCatalogStore(settings.data)


def open_vectors(settings: Settings) -> VectorStore:
    """The store of vectors."""
    from toolhone.storage.vectors import SqliteVectorStore  # as above

    return SqliteVectorStore(settings.data)


def open_indexes(settings: Settings) -> IndexStore:
    """The store of whole indexes."""
    from toolhone.storage.indexes import IndexFiles  # as above

    return IndexFiles(settings.data)


def open_learning(settings: Settings) -> LearningStore:
    """The store of what was learned from use."""
    from toolhone.storage.learning import SqliteLearningStore  # as above

    return SqliteLearningStore(settings.data)


def open_results(settings: Settings) -> ResultStore:
    """The store of whole results."""
    from toolhone.storage.results import SqliteResultStore  # as above

    return SqliteResultStore(settings.data, max_bytes=settings.results_size)


def open_snapshots(settings: Settings) -> SnapshotStore:
    """The store of snapshots."""
    from toolhone.storage.snapshots import SqliteSnapshotStore  # as above

    return SqliteSnapshotStore(settings.data, durable=settings.durable)


def load_encoder(settings: Settings) -> Encoder:
    """The encoder that this data folder uses: the one that comes with toolhone unless another was chosen.

    Raises:
        ModelUnavailableError: A file of it is missing or is not the one that was chosen.
    """
    active = active_encoder(settings.data)
    if active is None:
        return load_default()
    folder, sha256 = active
    return load_bundle(folder, sha256=sha256)


def scoring_weights(settings: Settings) -> "Weights":
    """How the selector weighs the parts of a tool's score."""
    from toolhone.selection.scoring import Weights  # numpy is not needed before the first question

    return Weights(
        dense=settings.dense_weight,
        sentence=settings.sentence_weight,
        server=settings.server_weight,
        late=settings.late_weight,
    )
