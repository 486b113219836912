"""What the row of a job forgets when the job is run again."""

from toolhone.models import JsonObject

GOING_ON_AGAIN: JsonObject = {
    "cancel_requested": False,
    "started_at": None,
    "finished_at": None,
    "error_code": None,
    "error": None,
}
"""What is taken back of an attempt that goes on after it needed attention."""

AFRESH: JsonObject = {
    **GOING_ON_AGAIN,
    "approved_by": None,
    "provider_job_id": None,
    "provider_status": None,
    "progress": 0.0,
    "epoch": None,
    "step": None,
    "steps": None,
    "training_loss": None,
    "validation_loss": None,
    "validation_score": None,
    "base_score": None,
    "cost_usd": 0.0,
    "model_id": None,
    "artifact_hash": None,
    "verdict": None,
}
"""What a new attempt does not take over from the last one."""
