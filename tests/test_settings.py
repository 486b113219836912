"""Where settings come from, and what happens when they are wrong."""

from pathlib import Path

import pytest

from toolhone.exceptions import ConfigurationError
from toolhone.settings import load_settings


def test_an_option_beats_a_variable_and_a_variable_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('call_timeout = 5\nmax_calls = 7\ndata = "from-file"\n')
    environ = {"TOOLHONE_SETTINGS": str(file), "TOOLHONE_CALL_TIMEOUT": "6", "TOOLHONE_DATA": "from-env"}

    settings = load_settings(environ, data=tmp_path, config=None)

    assert (settings.max_calls, settings.call_timeout, settings.data) == (7, 6, tmp_path)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"TOOLHONE_CALL_TIMEOUT": "soon"}, "call_timeout"),
        ({"TOOLHONE_MAX_CALLS": "0"}, "max_calls"),
        ({"TOOLHONE_SETTINGS": "/nowhere/settings.toml"}, "/nowhere/settings.toml"),
    ],
)
def test_a_wrong_value_is_refused_by_name(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings(environ)


def test_pins_are_a_table_of_the_file_or_json_in_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[pins]\n"*" = ["add"]\n"claude*" = ["git__log", "git__diff"]\n')
    environ = {"TOOLHONE_SETTINGS": str(file)}

    assert load_settings(environ).pins == {"*": ("add",), "claude*": ("git__log", "git__diff")}
    assert load_settings({**environ, "TOOLHONE_PINS": '{"*": ["fail"]}'}).pins == {"*": ("fail",)}


@pytest.mark.parametrize("wrong", ["add", "[1]", '{"*": "add"}'])
def test_pins_that_cannot_be_read_are_refused_by_name(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="pins"):
        load_settings({"TOOLHONE_PINS": wrong})


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("call_timout = 5\n")

    with pytest.raises(ConfigurationError, match="call_timout"):
        load_settings({"TOOLHONE_SETTINGS": str(file)})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("call_timeout =")

    with pytest.raises(ConfigurationError, match=r"settings\.toml"):
        load_settings({"TOOLHONE_SETTINGS": str(file)})


def test_each_value_knows_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("max_calls = 8\nexplore = 0.1\n")
    environ = {"TOOLHONE_SETTINGS": str(file), "TOOLHONE_EXPLORE": "0.2", "TOOLHONE_DATA": "/var/a"}
    settings = load_settings(environ, data=Path("/var/b"), mode="native", role=None)
    assert settings.origins == {
        "max_calls": str(file),
        "explore": "TOOLHONE_EXPLORE",
        "data": "command line",
        "mode": "command line",
    }


def test_a_variable_that_the_command_line_hands_on_is_still_a_variable() -> None:
    settings = load_settings({"TOOLHONE_DATA": "/var/a"}, data=Path("/var/a"))
    assert settings.origins == {"data": "TOOLHONE_DATA"}
