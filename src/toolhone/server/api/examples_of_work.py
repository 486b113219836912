"""What answers about agents' work look like: the examples of the OpenAPI document."""

from fastapi.openapi.models import Example

from toolhone.models import JsonObject

SNAPSHOT: JsonObject = {
    "snapshot_id": "019ab1c2-7d3e-7f00-8a1b-2c3d4e5f6071",
    "recorded_at": "2026-11-23T10:00:00.000000+00:00",
    "agent_id": "scanner_v2",
    "agent_name": "Scanner V2",
    "category": "core_security",
    "task_type": "code_scan",
    "input_data": {"file_path": "app.py"},
    "output_data": {"vulnerabilities": []},
    "success": True,
    "performance_score": 0.95,
    "execution_time_ms": 1250.5,
    "tokens_used": 150,
    "user_feedback": None,
    "session": None,
    "subject": None,
    "tools_offered": [],
    "tools_used": ["scan"],
    "metadata": {},
}

COUNT: JsonObject = {
    "category": "core_security",
    "snapshots": 300,
    "successes": 288,
    "oldest": "2026-11-01T08:00:00.000000+00:00",
    "newest": "2026-11-23T10:00:00.000000+00:00",
    "mean_score": 0.93,
}

DATASET: JsonObject = {
    "purpose": "agent",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "category": "core_security",
    "version": 1,
    "created_at": "2026-11-23T10:10:10.000000+00:00",
    "content_hash": "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "parent": None,
    "request": {"category": "core_security", "min_samples": 100},
    "counts": {"train": 240, "validation": 30, "test": 30, "failures": 0, "pairs": 0},
    "files": {"train.jsonl": "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
    "dropped": {"duplicate": 4},
    "statistics": {"total_samples": 300, "success_rate": 1.0},
    "revoked_at": None,
    "revoked_why": None,
    "replaced_by": None,
}

DATASET_REQUEST: JsonObject = {
    "category": "core_security",
    "min_samples": 100,
    "max_samples": 10_000,
    "quality_threshold": 0.7,
    "time_range_days": 30,
    "split_by": "group",
    "balance": True,
}

ROW: JsonObject = {
    "row_id": "019ab1c2-7d3e-7f00-8a1b-2c3d4e5f6071",
    "group": "g1",
    "task_type": "code_scan",
    "messages": [
        {"role": "user", "content": "Scan app.py"},
        {"role": "assistant", "content": "No vulnerabilities."},
    ],
    "tools": [],
    "score": 0.95,
    "recorded_at": "2026-11-23T10:00:00.000000+00:00",
    "execution_time_ms": 1250.5,
    "tokens_used": 150,
    "task": None,
    "tools_used": [],
    "tools_offered": [],
}

CONFIG: JsonObject = {
    "category": "core_security",
    "provider": "local",
    "base_model": "/models/tiny-instruct",
    "n_epochs": 3,
    "batch_size": 8,
    "learning_rate": 0.0001,
    "min_training_samples": 100,
    "min_validation_accuracy": 0.85,
    "max_training_cost_usd": 50.0,
    "max_training_hours": 24.0,
    "model_version": "1.0.0",
    "description": "Scanner, November",
    "tags": ["security"],
    "scorer": None,
    "seed": 0,
}

PLAN: JsonObject = {
    "plan_id": "plan_20261123_101110_0a1b2c3d",
    "created_at": "2026-11-23T10:11:10.000000+00:00",
    "expires_at": "2026-11-24T10:11:10.000000+00:00",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "dataset_hash": "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "config": CONFIG,
    "estimate": {
        "trained_tokens": 36000,
        "cost_usd": 0.0,
        "upper_bound_usd": 0.0,
        "price_source": "work on this machine is free (usd_per_hour is 0)",
        "seconds": 540.0,
        "honoured": {"n_epochs": 3},
        "warnings": [],
        "steps": 90,
    },
    "needs_approval": False,
}

JOB: JsonObject = {
    "job_id": "finetune_core_security_20261123_101112_a1b2c3",
    "plan_id": "plan_20261123_101110_0a1b2c3d",
    "category": "core_security",
    "provider": "local",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "config": CONFIG,
    "status": "running",
    "created_at": "2026-11-23T10:11:12.000000+00:00",
    "updated_at": "2026-11-23T10:14:02.000000+00:00",
    "started_at": "2026-11-23T10:11:13.000000+00:00",
    "finished_at": None,
    "created_by": "token:k3v9x2m7q1",
    "approved_by": None,
    "attempt": 1,
    "cancel_requested": False,
    "provider_job_id": "4711",
    "provider_status": "running",
    "progress": 0.34,
    "epoch": 1.02,
    "step": 31,
    "steps": 90,
    "training_loss": 0.412,
    "validation_loss": 0.455,
    "validation_score": None,
    "base_score": None,
    "cost_usd": 0.0,
    "model_id": None,
    "artifact_hash": None,
    "verdict": None,
    "error_code": None,
    "error": None,
}

EVENT: JsonObject = {
    "seq": 57,
    "job_id": "finetune_core_security_20261123_101112_a1b2c3",
    "at": "2026-11-23T10:14:02.000000+00:00",
    "kind": "metrics",
    "message": "step 31 of 90",
    "data": {"step": 31, "training_loss": 0.412},
}

PROVIDER: JsonObject = {
    "provider": "local",
    "available": True,
    "unavailable_why": None,
    "costs_money": False,
    "honours": ["n_epochs", "batch_size", "learning_rate"],
    "default_base_model": None,
    "dataset_format": "openai-chat",
    "limits": "",
}

MODEL: JsonObject = {
    "model_id": "core_security-6b86b273ff34",
    "category": "core_security",
    "provider": "local",
    "base_model": "/models/tiny-instruct",
    "created_at": "2026-11-23T10:21:12.000000+00:00",
    "job_id": "finetune_core_security_20261123_101112_a1b2c3",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "artifact_hash": "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    "path": "/data/models/core_security-6b86b273ff34",
    "passed": True,
    "verdict": {"decision": "passed"},
    "tainted": None,
}

ALIAS: JsonObject = {
    "category": "core_security",
    "alias": "production",
    "model_id": "core_security-6b86b273ff34",
    "at": "2026-11-23T10:30:00.000000+00:00",
    "by": "token:k3v9x2m7q1",
    "why": "It passed its gate.",
    "override": False,
    "rolled_back": False,
}

ERASURE: JsonObject = {
    "snapshots": 12,
    "results": 3,
    "events": 40,
    "datasets": {"core_security_20261123_101010_a1b2c3": "core_security_20261123_110000_d4e5f6"},
    "models": ["core_security-6b86b273ff34"],
    "problems": [],
}


def bodies(**examples: JsonObject) -> dict[str, Example]:
    """Examples of a body, by what they show."""
    return {name.replace("_", " "): {"value": example} for name, example in examples.items()}


def shown(example: object) -> JsonObject:
    """An example as `responses` takes it."""
    return {"content": {"application/json": {"example": example}}}


def page(example: JsonObject) -> JsonObject:
    """A page with one of them."""
    return shown({"items": [example], "next_cursor": "WyIyMDI2Il0"})
