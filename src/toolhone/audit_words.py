"""What an audit row is about, in a few words. Pure."""

from toolhone.json_values import is_array
from toolhone.models import EventKind, Json, JsonObject

LEARNING = {EventKind.DATASET, EventKind.JOB, EventKind.MODEL}


def subject(row: JsonObject) -> str:
    """The one thing to know of a row in a list. It may hold anything that people wrote.

    Args:
        row: In the export form; see `storage/chain.py`.
    """
    details: JsonObject = row["details"]
    what = str(row["tool_name"] or "")
    if row["kind"] == EventKind.SELECTION:
        task: Json = details.get("task", "")
        what = f"“{task}”" if isinstance(task, str) else f"a task of {task['bytes']:,} bytes, omitted"
    elif row["kind"] == EventKind.SERVER:
        what = f"{row['server']}: {details.get('what', '')}"
    elif row["kind"] == EventKind.RESULT_READ:
        what = f"{details.get('handle', '')} {details.get('path') or ''}"
    elif row["kind"] == EventKind.ERASURE:
        what = str(details.get("what") or f"{len(details.get('event_ids', []))} rows asked for")
    elif row["kind"] == EventKind.DESCRIPTION:
        named: Json = details.get("names")
        what = ", ".join(map(str, named)) if is_array(named) else ""
    elif row["kind"] == EventKind.SNAPSHOT:
        # Erased, it says no more how many they were.
        what = f"{details['snapshots']} collected" if "snapshots" in details else ""
    elif row["kind"] == EventKind.ACCESS:
        which = details.get("token_id") or details.get("path") or details.get("count") or row["user_id"]
        what = f"{details.get('what', '')} {which}"
    elif row["kind"] == EventKind.REFUSAL and not what:
        # Over REST, over MCP, and of a command.
        which = details.get("path") or details.get("uri") or details.get("name") or details.get("command")
        what = f"{details.get('method', '')} {which or ''}"
    elif row["kind"] in LEARNING:
        names = (details.get(name) for name in ("job_id", "dataset_id", "alias", "model_id", "category"))
        what = f"{details.get('what', '')} {next((name for name in names if name), '')}"
    return " ".join(what.split())
