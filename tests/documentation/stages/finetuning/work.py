"""Prints what an agent did, a snapshot a line: requests to scan files, as in the demo, for twenty users."""

import importlib
import json
import os
import sys

sys.path.insert(0, f"{os.environ['CHECKOUT']}/examples")

for number, snapshot in enumerate(importlib.import_module("demo_train").recorded_work()):
    print(json.dumps(snapshot | {"user_id": f"user-{number % 20}"}))
