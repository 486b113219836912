"""The audit log on disk: shared by processes, outliving their death, showing what was tampered with."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from toolhone.events import new_event
from toolhone.exceptions import DamagedStorageError, InvalidRequestError
from toolhone.models import LOCAL_CALLER, AuditEvent, EventKind
from toolhone.storage.audit import SqliteAuditStore
from toolhone.stores import AuditQuery

SCRIPTS = Path(__file__).parent / "scripts"
EVERYTHING = AuditQuery(limit=None, newest_first=False)

Tamper = Callable[..., None]


def call(number: int = 0) -> AuditEvent:
    return new_event(EventKind.CALL, LOCAL_CALLER, tool="t", payload={"arguments": {"n": number}})


@pytest.fixture
def tamper(tmp_path: Path) -> Tamper:
    """Changes `audit.db` behind the store's back, as somebody with an SQLite shell would."""
    store = SqliteAuditStore(tmp_path)
    store.append([call(number) for number in range(5)])
    store.close()

    def run(*statements: str) -> None:
        connection = sqlite3.connect(tmp_path / "audit.db")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return run


def problems(folder: Path, remembered: str | None = None) -> tuple[str, ...]:
    store = SqliteAuditStore(folder)
    found = store.verify(remembered=remembered).problems
    store.close()
    return found


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit SET tool = 'other' WHERE seq = 3", "Row 3 was changed."),
        ("UPDATE audit SET success = 1 WHERE seq = 3", "Row 3 was changed."),
        ("UPDATE audit SET timestamp = '2020' WHERE seq = 1", "Row 1 was changed."),
        ("UPDATE audit SET payload = '{}' WHERE seq = 3", "The payload of row 3 was changed."),
        ("UPDATE audit SET salt = NULL WHERE seq = 3", "The payload of row 3 was changed."),
        ("DELETE FROM audit WHERE seq = 3", "Rows 3 to 3 are missing."),
        ("DELETE FROM audit WHERE seq < 3", "Rows 1 to 2 are missing."),
        ("DELETE FROM audit WHERE seq > 3", "Rows 4 to 5 are missing from the end."),
        ("DELETE FROM audit", "Rows 1 to 5 are missing from the end."),
        ("DELETE FROM audit_head", "The head of the chain is missing."),
        ("UPDATE audit_head SET row_hash = 'x'", "The head of the chain (row 5) is not the last row (5)."),
    ],
)
def test_tampering_is_found(tmp_path: Path, tamper: Tamper, statement: str, problem: str) -> None:
    assert problems(tmp_path) == ()

    tamper(statement)

    assert problems(tmp_path) == (problem,)


def test_a_payload_that_is_gone_without_an_erasure_is_found(tmp_path: Path, tamper: Tamper) -> None:
    tamper("UPDATE audit SET payload = NULL, salt = NULL WHERE seq = 2")

    [problem] = problems(tmp_path)
    assert "row 2 is gone, but no erasure names" in problem


def test_a_forged_start_is_found(tmp_path: Path, tamper: Tamper) -> None:
    tamper(
        "DELETE FROM audit WHERE seq <= 2",
        "UPDATE audit SET seq = seq - 2",
        "UPDATE audit SET previous_hash = 'sha256:' || printf('%064d', 0) WHERE seq = 1",
    )

    found = problems(tmp_path)
    assert "Row 1 was changed." in found


def test_a_row_put_in_or_exchanged_is_found(tmp_path: Path, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit SET seq = -1 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = -1",
    )
    found = problems(tmp_path)
    assert "Row 2 does not continue row 1: one of them was replaced." in found
    assert "Row 3 was changed." in found


def test_only_a_remembered_head_shows_a_tail_cut_off_with_its_head(tmp_path: Path, tamper: Tamper) -> None:
    store = SqliteAuditStore(tmp_path)
    remembered = store.verify().head
    store.close()
    tamper(
        "DELETE FROM audit WHERE seq > 3",
        "UPDATE audit_head SET seq = 3, row_hash = (SELECT row_hash FROM audit WHERE seq = 3)",
    )

    assert problems(tmp_path) == ()
    assert problems(tmp_path, remembered) != ()


def test_rows_cannot_be_changed_or_deleted_by_accident(tmp_path: Path) -> None:
    store = SqliteAuditStore(tmp_path)
    store.append([call()])
    store.close()
    connection = sqlite3.connect(tmp_path / "audit.db")
    for statement in (
        "DELETE FROM audit",
        "UPDATE audit SET tool = 'other'",
        "UPDATE audit SET payload = '{}'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="audit rows are never"):
            connection.execute(statement)
    connection.close()


def test_a_chain_without_a_head_is_not_continued(tmp_path: Path, tamper: Tamper) -> None:
    tamper("DELETE FROM audit_head")
    store = SqliteAuditStore(tmp_path)

    with pytest.raises(DamagedStorageError, match="lost the head"):
        store.append([call()])
    store.close()


def test_an_event_that_sqlite_cannot_hold_is_refused(tmp_path: Path) -> None:
    store = SqliteAuditStore(tmp_path)
    with pytest.raises(InvalidRequestError):
        store.append([new_event(EventKind.CALL, LOCAL_CALLER, tokens_used=2**70)])
    assert store.verify().rows == 0
    store.close()


def test_an_erased_payload_is_gone_from_the_files(tmp_path: Path) -> None:
    store = SqliteAuditStore(tmp_path)
    event = new_event(EventKind.CALL, LOCAL_CALLER, payload={"arguments": {"who": "Erika Mustermann"}})
    store.append([call(1), event, call(2)])
    row = store.query(AuditQuery(limit=1, call_id=None))[0]
    assert any(b"Mustermann" in path.read_bytes() for path in tmp_path.iterdir())

    ids = [event.event_id]
    store.erase(ids, record=new_event(EventKind.ERASURE, LOCAL_CALLER, payload={"event_ids": ids}))

    assert not any(b"Mustermann" in path.read_bytes() for path in tmp_path.iterdir())
    assert store.verify(remembered=row["row_hash"]).whole
    store.close()


def test_an_erased_payload_cannot_be_guessed_from_its_hash(tmp_path: Path) -> None:
    store = SqliteAuditStore(tmp_path)
    store.append([call(7), call(7)])
    store.close()
    connection = sqlite3.connect(tmp_path / "audit.db")
    rows = connection.execute("SELECT payload, payload_hash FROM audit").fetchall()
    connection.close()

    guess = json.dumps({"arguments": {"n": 7}}, separators=(",", ":"))
    assert {payload for payload, _ in rows} == {guess}
    assert len({payload_hash for _, payload_hash in rows}) == 2
    assert "sha256:" + hashlib.sha256(guess.encode()).hexdigest() not in {row[1] for row in rows}


def test_two_processes_write_one_unbroken_chain(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    children = [
        subprocess.Popen(
            [sys.executable, str(SCRIPTS / "append_rows.py"), str(folder), principal, "300"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for principal in ("anna", "ben")
    ]
    # Both are let go at once, onto a folder that does not exist: they also race to make the tables.
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert (child.returncode, errors) == (0, "")

    store = SqliteAuditStore(folder)
    rows = store.query(EVERYTHING)
    verification = store.verify()
    store.close()

    assert (verification.rows, verification.problems) == (600, ())
    for principal in ("anna", "ben"):
        numbers = [row["parameters"]["n"] for row in rows if row["user_id"] == principal]
        assert numbers == list(range(300))


def test_a_recorded_row_outlives_kill_9(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "record_and_wait.py"), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    event_id = child.stdout.readline().strip()
    child.kill()
    child.communicate(timeout=60)

    store = SqliteAuditStore(tmp_path)
    assert [row["audit_id"] for row in store.query(EVERYTHING)] == [event_id]
    assert store.verify().whole
    store.close()
