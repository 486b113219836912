"""Files of the data folder: private, migrated, refused when newer, said to be damaged when they are."""

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from toolhone.events import new_event
from toolhone.exceptions import (
    DamagedStorageError,
    NewerStorageError,
    NotRunningError,
    StorageError,
    UnknownHandleError,
)
from toolhone.models import LOCAL_CALLER, EventKind
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.catalogs import SqliteCatalogStore
from toolhone.storage.migrations import AUDIT, CACHE, RESULTS, Schema
from toolhone.storage.results import SqliteResultStore
from toolhone.storage.sqlite import APPLICATION_ID, SqliteFile
from toolhone.storage.vectors import SqliteVectorStore
from toolhone.stores import AuditQuery, StoredCatalog, StoredResult

CATALOG = StoredCatalog(
    server="s", fingerprint="f", content_hash="c", tools=({"name": "t"},), listed_at="now"
)


def use_everything(folder: Path) -> list[Callable[[], None]]:
    """Use every store, so that its file is there; returns how to close them."""
    audit = SqliteAuditStore(folder)
    audit.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    catalogs = SqliteCatalogStore(folder)
    catalogs.save(CATALOG)
    vectors = SqliteVectorStore(folder)
    vectors.put("model", {"hash": b"1234"}, {})
    results = SqliteResultStore(folder, max_bytes=100)
    results.prune()
    return [audit.close, catalogs.close, vectors.close, results.close]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> object:
    previous = os.umask(0)
    yield
    os.umask(previous)


@pytest.mark.usefixtures("open_umask")
def test_folder_and_files_are_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    closers = use_everything(folder)

    assert mode(folder) == 0o700
    files = {path.name: mode(path) for path in folder.iterdir()}
    assert set(files) >= {"audit.db", "audit.db-wal", "audit.db-shm", "cache.db", "results.db"}
    assert set(files.values()) == {0o600}
    for close in closers:
        close()


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "results.db", RESULTS)
    file.read(lambda connection: None)
    file.close()
    (tmp_path / "results.db").chmod(0o644)

    file = SqliteFile(tmp_path / "results.db", RESULTS)
    file.read(lambda connection: None)
    file.close()

    assert mode(tmp_path / "results.db") == 0o600


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    stores = [SqliteCatalogStore(tmp_path / "data"), SqliteVectorStore(tmp_path / "data")]

    assert SqliteCatalogStore(tmp_path / "data").load() == {}
    assert SqliteVectorStore(tmp_path / "data").get("model", ["hash"]) == {}
    for store in stores:
        store.close()
    assert not (tmp_path / "data").exists()


def application_ids(folder: Path) -> dict[str, int]:
    ids: dict[str, int] = {}
    for path in folder.glob("*.db"):
        connection = sqlite3.connect(path)
        (ids[path.name],) = connection.execute("PRAGMA application_id").fetchone()
        connection.close()
    return ids


def test_every_file_says_whose_it_is(tmp_path: Path) -> None:
    for close in use_everything(tmp_path):
        close()

    ours = dict.fromkeys(("audit.db", "cache.db", "results.db"), APPLICATION_ID)
    assert application_ids(tmp_path) == ours

    # As a toolhone left them that did not say so.
    for name in ours:
        connection = sqlite3.connect(tmp_path / name)
        connection.execute("PRAGMA application_id = 0")
        connection.close()
    audit = SqliteAuditStore(tmp_path)
    results = SqliteResultStore(tmp_path, max_bytes=100)
    catalogs = SqliteCatalogStore(tmp_path)
    assert (audit.verify().rows, results.prune(), catalogs.load()) == (1, 0, {"s": CATALOG})
    for store in (audit, results, catalogs):
        store.close()

    assert application_ids(tmp_path) == ours


def test_a_file_that_is_up_to_date_opens_without_sqlite_utils(tmp_path: Path) -> None:
    for close in use_everything(tmp_path):
        close()
    program = (
        "import sys; from pathlib import Path; from toolhone.storage.audit import SqliteAuditStore; "
        "store = SqliteAuditStore(Path(sys.argv[1])); assert store.verify().rows == 1; "
        "assert 'sqlite_utils' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


@pytest.mark.parametrize("schema", [AUDIT, CACHE, RESULTS], ids=lambda schema: schema.name)
def test_every_step_leads_forward_from_the_one_before(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "file.db"
    for count in range(1, len(schema.steps) + 1):
        file = SqliteFile(path, Schema(name=schema.name, steps=schema.steps[:count]))
        recorded = file.read(
            lambda connection: connection.execute(
                "SELECT name FROM _sqlite_migrations ORDER BY id"
            ).fetchall()
        )
        file.close()
        assert [name for (name,) in recorded] == schema.known[:count]


@pytest.mark.parametrize("store", [SqliteAuditStore, SqliteCatalogStore], ids=["audit", "cache"])
def test_a_file_of_a_newer_toolhone_is_refused_and_left_alone(
    tmp_path: Path, store: type[SqliteAuditStore | SqliteCatalogStore]
) -> None:
    for close in use_everything(tmp_path):
        close()
    name = "audit.db" if store is SqliteAuditStore else "cache.db"
    connection = sqlite3.connect(tmp_path / name)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'split_rows', 'later')",
        (f"toolhone.{name.removesuffix('.db')}",),
    )
    connection.commit()
    connection.close()
    before = (tmp_path / name).read_bytes()

    opened = store(tmp_path)
    with pytest.raises(NewerStorageError, match=r"split_rows.*Update toolhone"):
        opened.query(AuditQuery()) if isinstance(opened, SqliteAuditStore) else opened.load()

    assert (tmp_path / name).read_bytes() == before


def test_a_damaged_audit_is_named_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "audit.db").write_bytes(b"this is no database" * 100)
    store = SqliteAuditStore(tmp_path)

    with pytest.raises(DamagedStorageError, match=r"audit\.db.*Move it away"):
        store.append([new_event(EventKind.CALL, LOCAL_CALLER)])

    assert (tmp_path / "audit.db").read_bytes() == b"this is no database" * 100


def test_a_damaged_cache_is_kept_aside_and_started_fresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 100)
    store = SqliteCatalogStore(tmp_path)

    with caplog.at_level(logging.WARNING):
        assert store.load() == {}
    store.save(CATALOG)

    assert store.load() == {"s": CATALOG}
    store.close()
    [aside] = tmp_path.glob("cache.db.damaged-*")
    assert aside.read_bytes() == b"this is no database" * 100
    assert "was damaged" in caplog.text


def test_a_cache_found_damaged_in_the_middle_is_started_fresh(tmp_path: Path) -> None:
    vectors = SqliteVectorStore(tmp_path)
    vectors.put("model", {str(number): bytes(1536) for number in range(500)}, {})
    vectors.close()
    with (tmp_path / "cache.db").open("r+b") as file:
        # All pages but the first, which is all that opening reads.
        file.seek(4096)
        file.write(b"\xff" * ((tmp_path / "cache.db").stat().st_size - 4096))

    vectors = SqliteVectorStore(tmp_path)
    assert vectors.get("model", ["1"]) == {}
    vectors.put("model", {"1": b"1234"}, {})
    assert vectors.get("model", ["1"]) == {"1": b"1234"}
    vectors.close()
    assert list(tmp_path.glob("cache.db.damaged-*"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = SqliteAuditStore(tmp_path / "file" / "data")

    with pytest.raises(StorageError, match=r"data folder .*file/data.*--data") as caught:
        store.verify()

    assert caught.type is StorageError


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    store = SqliteAuditStore(tmp_path)
    store.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    store._file.bare(lambda connection: connection.execute("PRAGMA max_page_count = 1"))

    with pytest.raises(StorageError, match="full"):
        store.append([new_event(EventKind.CALL, LOCAL_CALLER, payload={"x": "y" * 50_000})])

    store._file.bare(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    store.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    verification = store.verify()
    assert (verification.rows, verification.problems) == (2, ())
    store.close()


def test_a_closed_store_says_so_and_closes_twice(tmp_path: Path) -> None:
    store = SqliteResultStore(tmp_path, max_bytes=100)
    with pytest.raises(UnknownHandleError):
        store.get("h", "anna")
    store.close()
    store.close()

    with pytest.raises(NotRunningError, match=r"results\.db"):
        store.get("h", "anna")


def test_power_loss_is_a_setting(tmp_path: Path) -> None:
    for durable, level in ((False, 1), (True, 2)):
        file = SqliteFile(tmp_path / "file.db", AUDIT, durable=durable)
        assert file.bare(lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (level,)
        assert file.bare(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
        file.close()


def test_a_pruned_store_of_results_gives_its_space_back(tmp_path: Path) -> None:
    now = [0.0]
    store = SqliteResultStore(tmp_path, max_bytes=10_000_000, clock=lambda: now[0])
    store.put(
        StoredResult(
            handle="h",
            principal="anna",
            tool="t",
            call_id="c",
            created_at=0,
            expires_at=1,
            media="text",
            body=b"confidential " * 200_000,
        )
    )
    now[0] = 2
    store.prune()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 200_000
    assert not any(b"confidential" in path.read_bytes() for path in tmp_path.iterdir())
    store.close()
