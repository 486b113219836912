"""The table of the data folder is complete, an examination finds what is not whole, old payloads go."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import connect

import pytest

from toolhone.assembly import keeping, terms
from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.exceptions import PermissionDeniedError
from toolhone.keeping.age import AuditAge
from toolhone.keeping.integrity import examine
from toolhone.keeping.inventory import KINDS, is_scratch, kind_of, take_inventory
from toolhone.models import LOCAL_CALLER, Caller, EventKind
from toolhone.redaction import redact
from toolhone.roles import Role
from toolhone.server.destinations import destinations
from toolhone.settings import Settings
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.memory import MemoryAuditStore
from toolhone.stores import AuditQuery

Fill = Callable[[Path], Awaitable[Settings]]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_every_file_of_a_full_data_folder_is_in_the_table(fill: Fill, tmp_path: Path) -> None:
    settings = await fill(tmp_path / "data")

    found = take_inventory(settings.data, terms(settings))

    assert found.unknown == ()
    assert len({row.names for row in found.holdings if row.files}) >= 6
    audit = next(row for row in found.holdings if row.names == ("audit.db",))
    assert audit.size >= (settings.data / "audit.db").stat().st_size
    assert "365 days" in audit.kept


def test_every_database_and_its_companions_are_in_the_table() -> None:
    for name in [*LAYOUTS, "jobs.db"]:
        kind = kind_of(name)
        assert kind is not None
        assert all(kind_of(f"{name}{suffix}") is kind for suffix in ("-wal", "-shm", "-journal"))
    # Each row can be come to.
    assert {kind_of(kind.names[0].replace("*", "x")) for kind in KINDS} == set(KINDS)
    assert kind_of("strange.txt") is None
    assert is_scratch("datasets/.work-12/rows.jsonl")


@pytest.mark.parametrize("name", ["audit.db", "snapshots.db", "datasets.db"])
async def test_a_damaged_database_is_found(fill: Fill, tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    await fill(data)
    assert examine(data).whole
    with (data / name).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)

    assert any(name in fault.what for fault in examine(data).faults)


async def test_whatever_is_not_whole_is_named_with_what_to_do(fill: Fill, tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data)
    [rows] = data.glob("datasets/*/train.jsonl")
    rows.write_text(rows.read_text() + "\n")
    next(data.glob("runs/**/*.safetensors")).write_bytes(b"other")
    (data / "strange.txt").write_text("")
    (data / "datasets" / "orphan").mkdir()
    data.chmod(0o755)
    with closing(connect(data / "audit.db")) as connection, connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE audit SET tool = 'other' WHERE seq = 1")

    found = examine(data)

    said = "\n".join(fault.what for fault in found.faults)
    for word in (
        "train.jsonl",
        "ecommerce-1",
        "strange.txt",
        "datasets/orphan",
        "mode 755",
        "Row 1 was changed",
    ):
        assert word in said
    assert all(fault.mend for fault in found.faults)


async def test_old_payloads_go_and_the_chain_stays_whole() -> None:
    store = MemoryAuditStore()
    log = AuditLog(lambda: store, redact=redact)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    for days in (400, 366, 364, 0):
        at = (now - timedelta(days=days)).isoformat(timespec="microseconds")
        event = new_event(EventKind.CALL, LOCAL_CALLER, payload={"arguments": {"days": days}})
        await log.record(replace(event, timestamp=at))

    assert await AuditAge(log, days=0, now=lambda: now).prune(caller=LOCAL_CALLER) == 0
    assert await AuditAge(log, days=365, now=lambda: now).prune(caller=LOCAL_CALLER) == 2
    assert await AuditAge(log, days=365, now=lambda: now).prune(caller=LOCAL_CALLER) == 0

    rows = store.query(AuditQuery(kinds=["call"], newest_first=False))
    assert [row["parameters"] for row in rows] == [None, None, {"days": 364}, {"days": 0}]
    assert store.verify().whole
    newest = store.query(AuditQuery(kinds=["erasure"], limit=1))[0]
    assert (newest["details"]["what"], newest["details"]["events"]) == ("audit too old", 2)


async def test_only_who_may_administer_backs_up_exports_or_prunes(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", export_folder=tmp_path / "out")
    settings.data.mkdir()
    log = AuditLog(lambda: SqliteAuditStore(settings.data), redact=redact)
    kept = keeping(settings, log)
    operator, agent = (Caller(principal="p", role=role) for role in (Role.OPERATOR, Role.AGENT))

    with pytest.raises(PermissionDeniedError):
        await kept.backup(tmp_path / "b.tar", caller=operator)
    with pytest.raises(PermissionDeniedError):
        await kept.export(caller=operator)
    with pytest.raises(PermissionDeniedError):
        await kept.prune_audit(caller=operator)
    for refused in (kept.examine, kept.inventory):
        with pytest.raises(PermissionDeniedError):
            await refused(caller=agent)
        await refused(caller=operator)
    assert (names_in(tmp_path), names_in(settings.data)) == (["data"], [])
    await log.aclose()


def test_where_things_go_is_said_without_secrets(tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    config.write_text('{"mcpServers": {"far": {"url": "https://far.example:8443/mcp?key=s3cr3t"}}}')
    settings = Settings(data=tmp_path, config=config, export_folder=tmp_path / "out")

    found = {one.name: one.where for one in destinations(settings, {"OPENAI_API_KEY": "sk-1"})}

    assert found["the server far"] == "https://far.example:8443"
    assert found["the fine-tuning API"] == "https://api.openai.com"
    assert found["exports"] == str(tmp_path / "out")
    assert found["the judge model"] is None
    assert "s3cr3t" not in str(found)


def test_the_documentation_has_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]

    for kind in KINDS:
        names = ", ".join(f"`{name}`" for name in kind.names)
        [row] = [row for row in rows if row.startswith(f"| {names} | {kind.holds} | {kind.whose} | ")]
        assert row.endswith(f" | {kind.erased} | {kind.copying.value.replace('_', ' ')} |")
