"""The systemd unit: hardened, and what it starts is a command of ours."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from toolhone.cli.serve import serve
from toolhone.settings import PREFIX, Settings

UNIT = Path(__file__).parents[2] / "packaging" / "systemd" / "toolhone.service"


def directives() -> list[tuple[str, str]]:
    lines = [line for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


SERVICE = dict(directives())


def test_it_is_a_unit_with_the_three_sections() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read_string(UNIT.read_text())

    assert parser.sections() == ["Unit", "Service", "Install"]
    assert parser["Install"]["WantedBy"] == "multi-user.target"


def test_the_service_has_no_rights_that_it_does_not_need() -> None:
    yes = (
        "DynamicUser",
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictNamespaces",
    )

    assert {SERVICE[name] for name in (*yes, "RestrictSUIDSGID", "ProtectKernelModules")} == {"yes"}
    assert SERVICE["ProtectSystem"] == "strict"
    assert SERVICE["CapabilityBoundingSet"] == ""
    assert SERVICE["SystemCallFilter"] == "@system-service"
    assert SERVICE["UMask"] == "0077" and SERVICE["StateDirectoryMode"] == "0700"


def test_it_starts_a_command_of_ours_on_loopback() -> None:
    words = shlex.split(SERVICE["ExecStart"])

    assert words[:4] == ["/opt/toolhone/bin/toolhone", "serve", "--http", "127.0.0.1:8000"]
    known = {name for parameter in serve.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_its_variables_are_settings_and_lead_to_the_folders_that_it_has() -> None:
    variables = dict(value.split("=", 1) for name, value in directives() if name == "Environment")

    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert {name for name in variables if name.startswith(PREFIX)} <= known
    assert variables[f"{PREFIX}DATA"] == f"/var/lib/{SERVICE['StateDirectory']}"
    assert f"{variables['XDG_CONFIG_HOME']}/{SERVICE['ConfigurationDirectory']}" == "/etc/toolhone"


def test_systemd_itself_understands_it(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # The tests above read the unit without it.
        return
    unit = tmp_path / UNIT.name
    here = str(Path(sys.executable).with_name("toolhone"))
    unit.write_text(UNIT.read_text().replace("/opt/toolhone/bin/toolhone", here))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
