"""Whether settings, the servers file and the tool files can be used as they are."""

import difflib
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.exceptions import ConfigurationError, UnsetVariableError
from toolhone.registry.config import Command, ServerEntry, ServersFile, load_servers
from toolhone.registry.files import check_folder
from toolhone.registry.self_reference import NESTING_MARK
from toolhone.registry.server_state import ServerState, ServerStatus
from toolhone.settings import PREFIX, Settings, config_folder

_NO_SETTINGS = {f"{PREFIX}SETTINGS", NESTING_MARK}
_BAD = {ServerStatus.FAILED, ServerStatus.INVALID, ServerStatus.BACKOFF, ServerStatus.STOPPED}


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like settings and are none."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _NO_SETTINGS
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            mend = f"Rename it to {near[0]}, or: unset {name}" if near else f"unset {name}"
            yield warning("settings", f"there is no setting {name}; the variable does nothing.", mend)
    if NESTING_MARK in environ:
        yield warning(
            "settings",
            f"{NESTING_MARK} is set, so no downstream server is started: toolhone thinks that it was "
            "started by another toolhone.",
            f"unset {NESTING_MARK}",
        )


def settings_file(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where settings come from; that they are valid is known when this is asked."""
    file = Path(environ.get(f"{PREFIX}SETTINGS") or config_folder() / "settings.toml")
    yield ok("settings", f"from {file}" if file.is_file() else "no settings file; the defaults hold")


def servers_file(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The servers file, and for each server whether its command is there."""
    if settings.config is None:
        yield warning(
            "servers",
            "no downstream servers are configured.",
            "toolhone install --client HOST --adopt moves those of a host behind toolhone; "
            f"or write {config_folder() / 'mcp.json'}",
        )
        return
    mend = f"Mend {settings.config}; README.md has an example."
    try:
        file: ServersFile = load_servers(settings.config, environ)
    except ConfigurationError as exc:
        yield problem("servers", exc.message, mend)
        return
    of_entries = {entry.problem.message for entry in file.entries if entry.problem is not None}
    for notice in file.notices:
        if notice not in of_entries:
            yield warning("servers", notice, f"Remove its entry from {settings.config}.")
    for entry in file.entries:
        yield _entry(entry, environ, mend)


def _entry(entry: ServerEntry, environ: Mapping[str, str], mend: str) -> Finding:
    if isinstance(entry.problem, UnsetVariableError):
        variable = entry.problem.data.get("variable")
        return problem("servers", entry.problem.message, f"export {variable}=…, or write ${{{variable}:-…}}")
    if entry.problem is not None:
        return problem("servers", entry.problem.message, mend)
    if entry.disabled:
        return ok("servers", f"{entry.name}: disabled")
    if not isinstance(entry.target, Command):
        return ok("servers", f"{entry.name}: at an address; --deep tries it")
    path = {**environ, **entry.target.env}.get("PATH")
    if shutil.which(entry.target.command, path=path) is None:
        command = entry.target.command
        return problem(
            "servers",
            f"{entry.name}: its command {command!r} is not on PATH.",
            _how_to_get(command),
        )
    return ok("servers", f"{entry.name}: its command is there; --deep starts it")


def _how_to_get(command: str) -> str:
    """What brings the programs that start most servers."""
    known = {
        "npx": "Install Node.js 22 or newer.",
        "node": "Install Node.js 22 or newer.",
        "uvx": "Install uv: pip install uv",
        "uv": "Install uv: pip install uv",
        "docker": "Install Docker, or another program of that name.",
    }
    return known.get(command, "Install it, or write its whole path into the entry.")


def started_servers(states: Sequence[ServerState]) -> Iterator[Finding]:
    """What became of the servers that were started."""
    for state in states:
        if state.state is ServerStatus.DISABLED:
            continue
        if state.state is ServerStatus.NEEDS_LOGIN:
            mend = f"toolhone servers login {shlex.quote(state.name)}"
            yield problem("servers started", state.error or f"{state.name} needs a login.", mend)
        elif state.state in _BAD or (state.error and not state.tools):
            what = f"{state.name} does not start: {state.error or state.state.value}"
            yield problem("servers started", what, "toolhone servers shows its state and what it said")
        elif state.problems:
            what = f"{state.name}: {len(state.problems)} parts of its listing left out: {state.problems[0]}"
            yield warning("servers started", what, "toolhone servers")
        else:
            yield ok("servers started", f"{state.name}: {state.tools} tools")


def tool_files(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The tool files, whose modules are imported."""
    if settings.registry is None:
        yield ok("tool files", "no folder of tool files is configured")
        return
    problems = check_folder(settings.registry, environ)
    for each in problems:
        yield problem("tool files", str(each), f"toolhone registry check {settings.registry}")
    if not problems:
        count = len(list(settings.registry.glob("*.json")))
        yield ok("tool files", f"{settings.registry}: {count} files, nothing wrong")
