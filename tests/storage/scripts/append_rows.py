"""Append a number of rows to the audit log of a folder, one transaction each, beside other processes."""

import sys
from pathlib import Path

from toolhone.events import new_event
from toolhone.models import Caller, EventKind
from toolhone.storage.audit import SqliteAuditStore

folder, principal, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
store = SqliteAuditStore(folder)
for number in range(count):
    event = new_event(EventKind.CALL, Caller(principal=principal), payload={"arguments": {"n": number}})
    store.append([event])
store.close()
