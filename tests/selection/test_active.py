"""Which encoder a data folder uses, and that a damaged or forged choice is not followed."""

import hashlib
import json
from pathlib import Path

import pytest

from toolhone.exceptions import InvalidRequestError, ModelUnavailableError
from toolhone.selection.active import (
    DEFAULT,
    Reason,
    active_encoder,
    choices,
    encoder_folder,
    known_encoders,
    use_encoder,
)


def make(data: Path, name: str, **manifest: object) -> str:
    """An encoder's folder, as far as it is looked at here; returns the hash of its manifest."""
    folder = data / "encoders" / name
    folder.mkdir(parents=True)
    raw = json.dumps({"name": name, "base": "some model", "created": "2026-05-01", **manifest}).encode()
    (folder / "encoder.json").write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def test_a_new_data_folder_uses_the_encoder_that_comes_with_toolhone(tmp_path: Path) -> None:
    assert active_encoder(tmp_path) is None
    assert known_encoders(tmp_path) == []
    assert choices(tmp_path) == ()


def test_the_last_choice_holds_and_all_are_remembered(tmp_path: Path) -> None:
    first, second = make(tmp_path, "first"), make(tmp_path, "second", verdict={"decision": "promoted"})

    use_encoder(tmp_path, "first", first, Reason.CHOSEN)
    use_encoder(tmp_path, "second", second, Reason.PROMOTED)

    assert active_encoder(tmp_path) == (tmp_path / "encoders" / "second", second)
    assert [(choice.name, choice.reason) for choice in choices(tmp_path)] == [
        ("first", Reason.CHOSEN),
        ("second", Reason.PROMOTED),
    ]
    by_name = {encoder.name: encoder for encoder in known_encoders(tmp_path)}
    assert not by_name["first"].active
    assert by_name["second"].active
    assert by_name["second"].verdict == {"decision": "promoted"}


def test_one_can_go_back_to_the_default(tmp_path: Path) -> None:
    use_encoder(tmp_path, "first", make(tmp_path, "first"), Reason.CHOSEN)
    use_encoder(tmp_path, DEFAULT, None, Reason.CHOSEN)

    assert active_encoder(tmp_path) is None
    assert not any(encoder.active for encoder in known_encoders(tmp_path))


def test_an_encoder_that_changed_after_it_was_chosen_is_not_the_active_one(tmp_path: Path) -> None:
    use_encoder(tmp_path, "first", make(tmp_path, "first"), Reason.CHOSEN)
    (tmp_path / "encoders" / "first" / "encoder.json").write_text("{}")

    assert [encoder.active for encoder in known_encoders(tmp_path)] == [False]


@pytest.mark.parametrize("name", ["", "..", "../elsewhere", "a/b", "Upper", "-a", "a" * 65, "a\n", DEFAULT])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="cannot name an encoder"):
        encoder_folder(tmp_path, name)
    with pytest.raises(InvalidRequestError, match="cannot name an encoder"):
        use_encoder(tmp_path, name, "0" * 64, Reason.CHOSEN)


FORGED = {"history": [{"name": "../../elsewhere", "sha256": "0", "reason": "chosen", "at": ""}]}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"history": []}', "\ud800", json.dumps(FORGED)])
def test_a_damaged_choice_is_said_and_not_followed(text: str, tmp_path: Path) -> None:
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders" / "active.json").write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.raises(ModelUnavailableError, match=r"active\.json.*Remove it") as said:
        active_encoder(tmp_path)
    assert said.value.data == {"path": str(tmp_path / "encoders" / "active.json")}


def test_what_is_no_encoder_is_not_listed(tmp_path: Path) -> None:
    make(tmp_path, "good")
    make(tmp_path, ".export-scratch")
    (tmp_path / "encoders" / "empty").mkdir()
    for name, text in (("broken", "{"), ("list", "[]")):
        make(tmp_path, name)
        (tmp_path / "encoders" / name / "encoder.json").write_text(text)

    assert [encoder.name for encoder in known_encoders(tmp_path)] == ["good"]
