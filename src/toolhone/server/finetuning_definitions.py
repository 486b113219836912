"""The fine-tuning tools that a caller with the rights for them sees beside the others."""

from mcp import types

from toolhone.models import Category, JsonObject
from toolhone.roles import Permission
from toolhone.server.definitions import ANY_OBJECT, BOOLEAN, COUNT, SHARE, STRING, STRINGS

FROM_ONE: JsonObject = {"type": "integer", "minimum": 1}
AMOUNT: JsonObject = {"type": "number", "minimum": 0}
DATASET_ID: JsonObject = {"type": "string", "description": "default: the newest"}
JOB: JsonObject = {"type": "object", "properties": {"job_id": STRING}, "required": ["job_id"]}

CONFIG: JsonObject = {
    "type": "object",
    "properties": {
        "category": STRING,
        "provider": {"enum": ["local", "openai", "selector", "anthropic"], "default": "local"},
        "base_model": {"type": "string", "description": "local: a folder"},
        "n_epochs": {"type": "integer", "default": 3},
        "batch_size": {"type": "integer", "default": 32},
        "learning_rate": {"type": "number", "default": 0.0001},
        "min_validation_accuracy": {"type": "number", "default": 0.85},
        "max_training_cost_usd": {"type": "number", "default": 100},
        "model_version": STRING,
        "description": STRING,
    },
    "required": ["category"],
}

INPUT_SCHEMAS: dict[str, JsonObject] = {
    "collect_snapshot": {
        "type": "object",
        "properties": {
            "agent_id": STRING,
            "agent_name": STRING,
            "category": {"enum": [category.value for category in Category]},
            "task_type": STRING,
            "input_data": {},
            "output_data": {},
            "success": BOOLEAN,
            "performance_score": SHARE,
            "execution_time_ms": AMOUNT,
            "tokens_used": COUNT,
            "user_feedback": SHARE,
            "session": STRING,
            "user_id": {"type": "string", "description": "kept as a hash, to erase by"},
            "tools_offered": STRINGS,
            "tools_used": STRINGS,
            "metadata": {"type": "object"},
        },
        "required": [
            "agent_id",
            "agent_name",
            "category",
            "task_type",
            "input_data",
            "output_data",
            "success",
            "performance_score",
            "execution_time_ms",
        ],
    },
    "prepare_dataset": {
        "type": "object",
        "properties": {
            "category": STRING,
            "min_samples": {**FROM_ONE, "default": 100},
            "max_samples": {**FROM_ONE, "default": 10_000},
            "quality_threshold": {**SHARE, "default": 0.7},
            "time_range_days": {**FROM_ONE, "default": 30},
            "split_by": {"enum": ["group", "time"]},
        },
        "required": ["category"],
    },
    "estimate_finetuning": {
        "type": "object",
        "properties": {"config": CONFIG, "dataset_id": DATASET_ID},
        "required": ["config"],
    },
    "create_finetuning_job": {
        "type": "object",
        "properties": {
            "plan_id": STRING,
            "config": {"type": "object", "description": "instead, as for estimate_finetuning"},
            "dataset_id": STRING,
        },
    },
    "get_finetuning_job": {
        "type": "object",
        "properties": {"job_id": STRING, "events_after": {**COUNT, "description": "seq"}},
        "required": ["job_id"],
    },
    "list_finetuning_jobs": {
        "type": "object",
        "properties": {"category": STRING, "status": STRING, "limit": {**FROM_ONE, "default": 20}},
    },
    "cancel_finetuning_job": JOB,
    "compare_models": {
        "type": "object",
        "properties": {
            "a": STRING,
            "b": STRING,
            "dataset_id": DATASET_ID,
            "category": STRING,
            "scorer": STRING,
            "max_cost_usd": {**AMOUNT, "default": 0},
        },
        "required": ["a", "b"],
    },
    "set_model_alias": {
        "type": "object",
        "properties": {
            "category": STRING,
            "alias": STRING,
            "model": {"type": "string", "description": "left out: back to what it was before"},
            "override": {"type": "string", "description": "why, if it did not pass its gate"},
        },
        "required": ["category", "alias"],
    },
}

DESCRIPTIONS: dict[str, str] = {
    "collect_snapshot": (
        "Record a piece of an agent's work to learn from. Secrets and personal data are taken out first. "
        "input_data and output_data may be chats (messages, tools)."
    ),
    "prepare_dataset": "Make a clean, immutable dataset of a category's snapshots.",
    "estimate_finetuning": "Plan a fine-tuning: what it takes and costs. Spends nothing.",
    "create_finetuning_job": "Run a plan. What costs money waits until a person approves it.",
    "get_finetuning_job": "State, progress, scores and costs of a job.",
    "list_finetuning_jobs": "Jobs, the newest first.",
    "cancel_finetuning_job": "Stop a job and its spending.",
    "compare_models": (
        "Let two models answer the same held-out requests: quality, latency, cost. Asking a paid provider "
        "takes the right to approve, and fits the budget."
    ),
    "set_model_alias": "Choose the model that an alias stands for; it must have passed its gate.",
}

PERMISSIONS: dict[str, Permission] = {
    "collect_snapshot": Permission.COLLECT,
    "prepare_dataset": Permission.PREPARE,
    "estimate_finetuning": Permission.TRAIN,
    "create_finetuning_job": Permission.TRAIN,
    "get_finetuning_job": Permission.MONITOR,
    "list_finetuning_jobs": Permission.MONITOR,
    "cancel_finetuning_job": Permission.TRAIN,
    "compare_models": Permission.PREPARE,
    "set_model_alias": Permission.PROMOTE,
}
"""What a caller needs for each."""

READ_ONLY = frozenset({"estimate_finetuning", "get_finetuning_job", "list_finetuning_jobs"})
DESTRUCTIVE = frozenset({"cancel_finetuning_job", "set_model_alias"})
REMOTE = frozenset({"create_finetuning_job", "cancel_finetuning_job", "compare_models"})
"""They may speak to a provider."""

JOB_ANSWER: JsonObject = {
    "type": "object",
    "properties": {"job_id": STRING, "status": STRING, "progress": SHARE, "cost_usd": AMOUNT},
    "required": ["job_id", "status"],
}

OUTPUT_SCHEMAS: dict[str, JsonObject] = {
    "collect_snapshot": {
        "type": "object",
        "properties": {"snapshot_id": STRING},
        "required": ["snapshot_id"],
    },
    "prepare_dataset": {
        "type": "object",
        "properties": {
            "dataset_id": STRING,
            "category": STRING,
            "version": FROM_ONE,
            "content_hash": STRING,
            "counts": ANY_OBJECT,
            "dropped": ANY_OBJECT,
            "statistics": ANY_OBJECT,
        },
        "required": ["dataset_id", "category", "content_hash", "counts"],
    },
    "estimate_finetuning": {
        "type": "object",
        "properties": {
            "plan_id": STRING,
            "dataset_id": STRING,
            "expires_at": STRING,
            "needs_approval": BOOLEAN,
            "estimate": ANY_OBJECT,
            "config": ANY_OBJECT,
        },
        "required": ["plan_id", "dataset_id", "needs_approval", "estimate"],
    },
    "create_finetuning_job": JOB_ANSWER,
    "get_finetuning_job": JOB_ANSWER,
    "list_finetuning_jobs": {
        "type": "object",
        "properties": {"jobs": {"type": "array", "items": ANY_OBJECT}},
        "required": ["jobs"],
    },
    "cancel_finetuning_job": JOB_ANSWER,
    "compare_models": ANY_OBJECT,
    "set_model_alias": ANY_OBJECT,
}


def finetuning_listing() -> list[types.Tool]:
    """The fine-tuning tools as tools/list shows them, always in the same order."""
    return [
        types.Tool(
            name=name,
            description=DESCRIPTIONS[name],
            input_schema=schema,
            output_schema=OUTPUT_SCHEMAS[name],
            annotations=types.ToolAnnotations(
                read_only_hint=name in READ_ONLY,
                destructive_hint=None if name in READ_ONLY else name in DESTRUCTIVE,
                open_world_hint=name in REMOTE,
            ),
        )
        for name, schema in INPUT_SCHEMAS.items()
    ]
