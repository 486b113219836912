"""What goes wrong at the service, on the way and here: nothing is paid twice, and what to do is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import (
    BudgetExceededError,
    DamagedStorageError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    StorageError,
)
from toolhone.training.costs import load_prices
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.openai_submission import submission_path
from toolhone.training.providers.provider import Phase, TrainingRequest

if TYPE_CHECKING:
    from providers.conftest import Make, Time
    from providers.openai_server import OpenAIServer

CREATE = {"method": "POST", "path": "/fine_tuning/jobs"}
UPLOAD = {"method": "POST", "path": "/files"}


# The paid step


@pytest.mark.parametrize("status", [500, 503, None], ids=["500", "503", "connection lost"])
async def test_a_job_that_was_made_while_its_answer_was_lost_is_taken_up(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, status: int | None
) -> None:
    openai_api.fail(status, carried_out=True, **CREATE)
    job_id = await provider.submit(request_)
    assert list(openai_api.jobs) == [job_id]
    assert openai_api.count("POST", "/fine_tuning/jobs") == 1


async def test_it_is_looked_for_as_long_as_the_list_may_lag_behind(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, clock: "Time"
) -> None:
    openai_api.fail(500, carried_out=True, **CREATE)
    openai_api.lists_jobs_after = 5
    job_id = await provider.submit(request_)
    assert list(openai_api.jobs) == [job_id]
    assert sum(clock.slept) < 30


async def test_it_is_found_by_its_file_where_tags_are_not_given_back(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.keeps_metadata = False
    openai_api.fail(500, carried_out=True, **CREATE)
    job_id = await provider.submit(request_)
    assert list(openai_api.jobs) == [job_id]


@pytest.mark.parametrize("status", [429, 500, None], ids=["429", "500", "connection lost"])
async def test_a_job_that_was_not_made_is_asked_for_again(
    provider: OpenAIProvider,
    openai_api: "OpenAIServer",
    request_: TrainingRequest,
    clock: "Time",
    status: int | None,
) -> None:
    openai_api.fail(status, times=2, **CREATE)
    await provider.submit(request_)
    assert len(openai_api.jobs) == 1
    assert openai_api.count("POST", "/fine_tuning/jobs") == 3
    if status != 429:
        assert sum(clock.slept) >= 60, "only when the list would show it"


async def test_a_service_that_stays_broken_is_given_up_with_nothing_made(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(502, times=100, **CREATE)
    with pytest.raises(ProviderUnavailableError, match="no such job is in its list"):
        await provider.submit(request_)
    assert openai_api.jobs == {}


@pytest.mark.parametrize("made", [True, False])
async def test_after_a_kill_between_asking_and_noting_it_is_looked_up_first(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest, made: bool
) -> None:
    job_id = await make().submit(request_)
    path = submission_path(request_.workspace, request_.key)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"job_id": None}))
    if not made:
        openai_api.jobs.clear()
    again = make()
    assert await again.find(request_) == (job_id if made else None)
    path.write_text(json.dumps(kept | {"job_id": None}))
    again_id = await again.submit(request_)
    assert (again_id == job_id) is made
    assert len(openai_api.jobs) == 1


async def test_a_second_submit_of_the_same_request_costs_nothing(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await make().submit(request_)
    came = len(openai_api.requests)
    assert await make().submit(request_) == job_id
    assert len(openai_api.requests) == came


async def test_a_job_of_another_key_is_not_taken_for_this_one(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    await make().submit(request_)
    other = replace(request_, key="toolhone-key-2")
    assert await make().find(other) is None
    await make().submit(other)
    assert len(openai_api.jobs) == 2


async def test_a_job_is_found_among_hundreds_even_if_the_run_folder_is_lost(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest, tmp_path: Path
) -> None:
    job_id = await make().submit(request_)
    ours = openai_api.jobs[job_id]
    for number in range(250):
        body = ours.body | {"metadata": None, "training_file": "file-of-somebody"}
        openai_api.jobs[f"ftjob-x{number}"] = replace(ours, job_id=f"ftjob-x{number}", body=body)
    assert await make().find(replace(request_, workspace=tmp_path / "new")) == job_id


async def test_while_the_list_cannot_be_read_nobody_says_that_there_is_none(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(500, times=100, method="GET", path="/fine_tuning/jobs")
    with pytest.raises(ProviderUnavailableError):
        await provider.find(request_)


async def test_a_list_that_may_not_be_read_is_no_refusal_of_a_job_that_may_exist(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(500, carried_out=True, **CREATE)
    openai_api.fail(403, times=100, method="GET", path="/fine_tuning/jobs", message="no")
    with pytest.raises(ProviderError, match="cannot be said") as caught:
        await provider.submit(request_)
    assert not isinstance(caught.value, ProviderRefusedError)
    openai_api.failures.clear()
    assert await provider.submit(request_) in openai_api.jobs
    assert len(openai_api.jobs) == 1


async def test_a_damaged_note_stops_everything(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    request_.workspace.mkdir()
    submission_path(request_.workspace, request_.key).write_text('{"key": ')
    with pytest.raises(DamagedStorageError, match="toolhone_key"):
        await provider.submit(request_)
    assert openai_api.requests == []


async def test_what_cannot_be_noted_is_not_sent(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    request_.workspace.write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        await provider.submit(request_)
    assert openai_api.files == {} and openai_api.jobs == {}


# Uploads


@pytest.mark.parametrize("status", [429, 500, None], ids=["429", "500", "connection lost"])
async def test_an_upload_is_tried_again(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, status: int | None
) -> None:
    openai_api.fail(status, **UPLOAD)
    await provider.submit(request_)
    assert len(openai_api.files) == 2 and len(openai_api.jobs) == 1
    (train,) = (file for file in openai_api.files.values() if "train" in file.filename)
    assert len(openai_api.rows(train.file_id)) == 12, "the second time it is sent from the beginning"


async def test_a_failed_upload_costs_nothing_and_what_was_uploaded_is_used(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(500, times=100, **UPLOAD)
    with pytest.raises(ProviderUnavailableError, match="upload"):
        await make().submit(request_)
    assert openai_api.jobs == {}
    openai_api.failures.clear()
    await make().submit(request_)
    assert len(openai_api.files) == 2


async def test_an_upload_whose_answer_was_lost_is_not_repeated(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(500, carried_out=True, **UPLOAD)
    with pytest.raises(ProviderUnavailableError):
        await make(max_retries=0).submit(request_)
    assert len(openai_api.files) == 1
    await make().submit(request_)
    assert len(openai_api.files) == 2
    assert sum("train" in file.filename for file in openai_api.files.values()) == 1


async def test_a_job_refused_for_its_rows_uses_the_files_again(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.quota = False
    with pytest.raises(ProviderRefusedError):
        await make().submit(request_)
    openai_api.quota = True
    await make().submit(request_)
    assert len(openai_api.files) == 2 and len(openai_api.jobs) == 1


# Polling and cancelling


@pytest.mark.parametrize("status", [429, 503, None], ids=["429", "503", "connection lost"])
async def test_a_poll_gets_over_passing_failures(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, status: int | None
) -> None:
    job_id = await provider.submit(request_)
    openai_api.fail(status, method="GET")
    assert (await provider.poll(request_, job_id, None)).phase is Phase.VALIDATING


async def test_a_service_that_is_down_in_a_poll_is_said_to_be_so(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    openai_api.fail(503, times=100, method="GET")
    with pytest.raises(ProviderUnavailableError, match="HTTP 503"):
        await provider.poll(request_, job_id, None)
    openai_api.failures.clear()
    assert (await provider.poll(request_, job_id, None)).raw == "validating_files"


async def test_unknown_and_paused_states_are_no_end(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.states = ["paused", "reticulating", "canceled"]
    job_id = await provider.submit(request_)
    polled = [await provider.poll(request_, job_id, None) for _ in range(4)]
    assert [(one.phase, one.raw) for one in polled] == [
        (Phase.VALIDATING, "validating_files"),
        (Phase.PAUSED, "paused"),
        (Phase.UNKNOWN, "reticulating"),
        (Phase.CANCELLED, "canceled"),
    ]
    assert [one.phase.over for one in polled] == [False, False, False, True]


async def test_a_failed_job_says_why_and_has_no_artifact(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.states = ["failed"]
    job_id = await provider.submit(request_)
    openai_api.jobs[job_id].error = {
        "code": "invalid_training_file",
        "message": "Row 3",
        "param": "training_file",
    }
    await provider.poll(request_, job_id, None)
    polled = await provider.poll(request_, job_id, None)
    assert (polled.phase, polled.error) == (Phase.FAILED, "Row 3 (invalid_training_file, training_file)")
    with pytest.raises(ProviderError, match="'failed'"):
        await provider.artifact(request_, job_id)


async def test_a_job_is_cancelled_in_every_state(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    job = openai_api.jobs[job_id]
    for state in ("validating_files", "queued", "running", "paused", "reticulating"):
        job.status = state
        await provider.cancel(request_, job_id)
        assert job.status == "cancelled"


@pytest.mark.parametrize("answer", [400, 409])
async def test_to_cancel_what_is_over_does_no_harm(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest, answer: int
) -> None:
    provider = make(max_retries=0)
    job_id = await provider.submit(request_)
    job = openai_api.jobs[job_id]
    job.body["result_file"] = "file-0"
    openai_api.answer_to_ended_cancel = answer
    for state in ("succeeded", "failed", "cancelled"):
        job.status = state
        await provider.cancel(request_, job_id)
        assert job.status == state


async def test_a_cancel_that_is_refused_while_it_runs_is_an_error(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    openai_api.fail(403, path="/cancel", message="Not yours")
    with pytest.raises(ProviderRefusedError, match="Not yours"):
        await provider.cancel(request_, job_id)


# Refusals


async def test_a_wrong_key_is_named_but_not_quoted(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    with pytest.raises(ProviderRefusedError, match="API key is not accepted") as caught:
        await make(api_key="sk-wrong").submit(request_)
    assert "sk-wro" not in str(caught.value)


async def test_no_key_means_not_available(make: "Make", request_: TrainingRequest) -> None:
    provider = make(api_key=None)
    assert not provider.capabilities.available
    with pytest.raises(ProviderRefusedError, match=r"no API key .*OPENAI_API_KEY"):
        await provider.submit(request_)


async def test_an_account_that_may_not_fine_tune_is_told_what_else_there_is(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fine_tuning_allowed = False
    with pytest.raises(ProviderRefusedError, match=r"6 January 2027.*provider 'local'"):
        await provider.submit(request_)


async def test_an_empty_account_is_no_passing_failure(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.quota = False
    with pytest.raises(ProviderRefusedError, match="no credit left"):
        await provider.submit(request_)
    assert openai_api.count("POST", "/fine_tuning/jobs") == 1


async def test_too_few_rows_at_the_service_are_explained(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(400, code="invalid_n_examples", message="7 < 10", **CREATE)
    with pytest.raises(ProviderRefusedError, match="7 < 10 — The training file has too few rows"):
        await provider.submit(request_)


async def test_an_unknown_model_is_refused_in_the_estimate(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.models.clear()
    with pytest.raises(ProviderRefusedError, match="does not exist there"):
        await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)


async def test_a_service_without_descriptions_of_models_is_no_obstacle(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.describes_models = False
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert any("does not describe models" in warning for warning in estimate.warnings)


async def test_a_base_url_that_is_something_else_is_said_to_be_so(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    provider = make(base_url=openai_api.base_url.removesuffix("/v1"))
    with pytest.raises(ProviderRefusedError, match="HTTP 404"):
        await provider.submit(request_)


async def test_nobody_there_is_unavailable(make: "Make", request_: TrainingRequest) -> None:
    provider = make(base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ProviderUnavailableError, match="no answer"):
        await provider.find(request_)


async def test_an_unknown_price_is_refused_before_anything_is_asked(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    provider = make(prices=load_prices())
    with pytest.raises(ProviderRefusedError, match=r"No price is known .*TOOLHONE_PRICES.*127\.0\.0\.1"):
        await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    with pytest.raises(ProviderRefusedError, match="No price is known"):
        await provider.submit(request_)
    assert openai_api.requests == []
    assert not issubclass(ProviderRefusedError, BudgetExceededError)
