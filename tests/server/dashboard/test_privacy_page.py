"""The page of privacy: what is stored and where it goes, checks, exports, backups, and what was erased."""

from pathlib import Path
from typing import TypeAlias

from toolhone.keeping.restore import restore_backup
from toolhone.models import LOCAL_CALLER, Json
from toolhone.roles import Permission

OpenSite: TypeAlias = Json
Site: TypeAlias = Json
Visitor: TypeAlias = Json


async def collect(site: Site, *numbers: int) -> None:
    system = await site.app.finetuning()
    work = [
        {
            "agent_id": f"agent-{number}",
            "agent_name": "Somebody",
            "category": "ecommerce",
            "task_type": "price",
            "input_data": {"number": number},
            "output_data": {"answer": number},
            "success": True,
            "performance_score": 0.9,
            "execution_time_ms": 5.0,
        }
        for number in numbers
    ]
    await system.collect(work, caller=LOCAL_CALLER)


async def test_the_page_says_what_is_stored_of_whom_how_long_and_where_it_goes(
    open_site: OpenSite, plain_server: Json
) -> None:
    async with open_site({"plain": plain_server}, audit_days=77) as site, site.visitor() as admin:
        await collect(site, 1)
        page = await admin.get("/privacy")

    assert "every call, selection, refusal and act of an admin" in page.text
    assert "pieces of agents' work" in page.text
    assert "what they hold 77 days" in page.text
    assert "comparisons/*" not in page.text  # there are none
    assert "the server plain" in page.text and "a process on this machine" in page.text
    assert "no folder is named" in page.text
    assert page.runs() == []


async def test_who_may_erase_but_not_operate_sees_no_inventory(site: Site) -> None:
    scopes = [Permission.ERASE, Permission.MONITOR]
    async with site.visitor(scopes=scopes) as visitor:
        page = await visitor.get("/privacy")
        refused = [
            (await visitor.post(path)).status_code
            for path in ("/privacy/check", "/privacy/backup", "/privacy/export")
        ]

    assert "Erase somebody" in page.text
    assert "What is stored" not in page.text
    assert "Download a backup" not in page.text
    assert refused == [403, 403, 403]


async def test_the_folder_is_checked_by_a_button(open_site: OpenSite, tmp_path: Path) -> None:
    async with open_site() as site, site.visitor() as admin:
        whole = await admin.post("/privacy/check")
        (tmp_path / "data" / "<script>alert(1)").write_text("strange")
        faulty = await admin.post("/privacy/check")

    assert whole.status_code == 200
    assert "All of it is whole." in whole.text
    assert "1 thing is not whole." in faulty.text
    assert "&lt;script&gt;alert(1) is not a file of toolhone" in faulty.text


async def test_a_backup_is_downloaded_with_a_form_of_ours_only(open_site: OpenSite, tmp_path: Path) -> None:
    async with open_site() as site, site.visitor() as admin:
        await collect(site, 1)
        forged = await admin.client.post("/privacy/backup", headers={"Origin": site.url})
        answer = await admin.post("/privacy/backup")
    (tmp_path / "backup.tar").write_bytes(answer.content)

    assert forged.status_code == 403
    assert answer.headers["content-type"] == "application/x-tar"
    assert restore_backup(tmp_path / "backup.tar", tmp_path / "new").manifest.files


async def test_exports_are_shown_and_brought_up_to_date(open_site: OpenSite, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    async with open_site(export_folder=folder) as site, site.visitor() as admin:
        await collect(site, 1)
        before = await admin.get("/privacy")
        asked = await admin.post("/privacy/export")
        after = await admin.get(asked.headers["location"])

    assert str(folder) in before.text and "0, 0 B" in before.text
    assert "The exports are up to date." in after.text
    assert "2, " in after.text
    assert len(list(folder.glob("*/*.jsonl"))) == 2


async def test_old_rows_of_the_audit_are_emptied_by_a_button(open_site: OpenSite) -> None:
    async with open_site(audit_days=0) as site, site.visitor() as admin:
        for_ever = await admin.get("/privacy")
        assert "stays until it is erased" in for_ever.text
        assert "/privacy/prune-audit" not in for_ever.text
        asked = await admin.post("/privacy/prune-audit")
        assert asked.headers["location"] == "/privacy?done=emptied"


async def test_an_erasure_says_what_went_from_exports_and_kept_answers(
    open_site: OpenSite, tmp_path: Path
) -> None:
    async with open_site(export_folder=tmp_path / "exports") as site, site.visitor() as admin:
        await collect(site, 1, 2)
        await site.app.keeping.export(caller=LOCAL_CALLER)
        erased = await admin.post("/privacy/erase", kind="agent", name="agent-1", again="agent-1")

    assert "Export lines" in erased.text and "taken out or emptied" in erased.text
    assert "Answers" in erased.text and "to REST requests with keys" in erased.text
    [file] = (tmp_path / "exports" / "agent_finetuning").iterdir()
    assert "agent-1" not in file.read_text() and "agent-2" in file.read_text()
