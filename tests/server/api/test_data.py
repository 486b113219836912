"""The data folder over REST: what is in it and how long, whether it is whole, and a backup that restores."""

import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest

from toolhone.events import new_event
from toolhone.keeping.integrity import examine
from toolhone.keeping.restore import restore_backup
from toolhone.keeping.service import DOWNLOADS
from toolhone.models import LOCAL_CALLER, EventKind, Json
from toolhone.roles import Role

OpenRest: TypeAlias = Json
Rest: TypeAlias = Json


async def call_add(client: httpx2.AsyncClient, number: int) -> None:
    calls = [{"tool": "add", "arguments": {"a": number, "b": 1}}]
    answer = await client.post("/api/v1/tools/call", json={"calls": calls})
    assert answer.json()["results"][0]["success"], answer.text


async def test_the_inventory_says_what_is_here_how_long_and_where_things_go(
    open_rest: OpenRest, plain_server: Json, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    settings = {"audit_days": 30, "export_folder": exports}
    async with open_rest({"plain": plain_server}, **settings) as rest, rest.client(Role.OPERATOR) as client:
        await call_add(client, 1)
        (tmp_path / "data" / "mine.txt").write_text("not yours")
        before = (await client.get("/api/v1/data")).json()
        await rest.app.keeping.export(caller=LOCAL_CALLER)
        after = (await client.get("/api/v1/data")).json()

    rows = {row["names"][0]: row for row in before["holdings"]}
    audit = rows["audit.db"]
    assert before["folder"] == str(tmp_path / "data")
    assert audit["files"] > 0
    assert audit["kept"].endswith("30 days")
    assert audit["oldest"] is not None
    assert rows["snapshots.db"]["files"] == 0
    assert before["size"] == sum(row["size"] for row in before["holdings"]) > 0
    assert before["unknown"] == ["mine.txt"]
    assert before["settings"]["audit_days"] == 30
    going = {one["name"]: one["where"] for one in before["destinations"]}
    assert going["the server plain"] == "a process on this machine"
    assert going["exports"] == str(exports)
    assert (before["exports"]["files"], before["exports"]["last_written"]) == (0, None)
    written = sum(path.stat().st_size for path in exports.glob("*/*.jsonl"))
    assert (after["exports"]["files"], after["exports"]["size"]) == (1, written)


async def test_an_admin_brings_the_exports_up_to_date(open_rest: OpenRest, tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    async with open_rest(export_folder=exports) as rest, rest.client() as client:
        await call_add(client, 1)
        written = (await client.post("/api/v1/data/export")).json()
        again = (await client.post("/api/v1/data/export")).json()

    lines = sum(len(path.read_text().splitlines()) for path in exports.glob("*/*.jsonl"))
    assert written == {"snapshots": 0, "rows": lines} and lines > 0
    assert again == {"snapshots": 0, "rows": 0}


async def test_where_no_folder_is_named_there_is_nothing_to_export_to(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/api/v1/data/export")

    assert answer.status_code == 400 and "export_folder" in answer.json()["detail"]


async def test_a_folder_without_exports_has_none(admin: httpx2.AsyncClient) -> None:
    assert (await admin.get("/api/v1/data")).json()["exports"] is None


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
async def test_a_check_says_what_is_not_whole_and_how_to_mend_it(open_rest: OpenRest, tmp_path: Path) -> None:
    async with open_rest() as rest, rest.client(Role.OPERATOR) as client:
        await call_add(client, 1)
        whole = (await client.post("/api/v1/data/check")).json()
        (tmp_path / "data").chmod(0o755)
        faulty = (await client.post("/api/v1/data/check")).json()

    assert (whole["whole"], whole["faults"]) == (True, [])
    assert whole["audit_rows"] > 0 and whole["audit_head"]
    assert not faulty["whole"]
    assert f"chmod 700 {tmp_path / 'data'}" in [fault["mend"] for fault in faulty["faults"]]


async def test_what_the_audit_holds_too_long_goes_when_an_admin_asks(open_rest: OpenRest) -> None:
    async with open_rest(audit_days=30) as rest, rest.client() as client:
        old = new_event(EventKind.CALL, LOCAL_CALLER, tool="old", payload={"arguments": {"a": "b"}})
        await rest.app.audit.record(replace(old, timestamp="2020-01-01T00:00:00.000000+00:00"))
        await call_add(client, 1)
        first = await client.post("/api/v1/audit/prune")
        again = await client.post("/api/v1/audit/prune")
        rows = (await client.get("/api/v1/audit", params={"kinds": "call"})).json()["items"]

    assert (first.json(), again.json()) == ({"erased": 1}, {"erased": 0})
    assert [(row["tool_name"], row["erased"]) for row in rows] == [("add", False), ("old", True)]


@pytest.mark.parametrize("with_results", [False, True])
async def test_a_downloaded_backup_restores_and_leaves_nothing_here(
    open_rest: OpenRest, tmp_path: Path, with_results: bool
) -> None:
    file = tmp_path / "backup.tar"
    async with open_rest(result_limit=1024) as rest, rest.client() as client:
        await call_add(client, 1)
        rows = [{"tool": "list_rows", "arguments": {"count": 500}}]
        await client.post("/api/v1/tools/call", json={"calls": rows})
        assert (tmp_path / "data" / "results.db").exists()
        answer = await client.get("/api/v1/backup", params={"with_results": with_results})
        audited = (await client.get("/api/v1/audit", params={"kinds": "access", "limit": 1})).json()["items"]
    # It has ended all requests: the last byte is sent before the file goes.
    left = list((tmp_path / "data" / DOWNLOADS).iterdir())
    file.write_bytes(answer.content)
    restored = restore_backup(file, tmp_path / "new")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith('attachment; filename="toolhone-20')
    assert int(answer.headers["content-length"]) == len(answer.content)
    digest = hashlib.sha256(answer.content)
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    details = {"what": "backup made", "file": None, "with_results": with_results}
    assert details.items() <= audited[0]["details"].items()
    assert audited[0]["details"]["sha256"] == digest.hexdigest()
    assert left == []
    assert examine(restored.folder).whole
    assert (restored.folder / "results.db").exists() is with_results


async def test_a_folder_that_cannot_be_backed_up_is_a_problem_and_leaves_nothing(
    open_rest: OpenRest, tmp_path: Path
) -> None:
    async with open_rest() as rest, rest.client() as client:
        await call_add(client, 1)
        (tmp_path / "data" / "cache.db").write_bytes(b"no database" * 1000)
        answer = await client.get("/api/v1/backup")
    left = list((tmp_path / "data" / DOWNLOADS).iterdir())

    assert (answer.status_code, answer.json()["code"]) == (503, "storage_failed")
    assert "cannot be copied" in answer.json()["detail"]
    assert left == []
